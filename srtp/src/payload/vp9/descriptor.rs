//! The VP9 payload descriptor, RFC 9628 §4.2.
//!
//! ```text
//!         0 1 2 3 4 5 6 7
//!        +-+-+-+-+-+-+-+-+
//!        |I|P|L|F|B|E|V|Z| (REQUIRED)     F: flexible mode: references are named
//!        +-+-+-+-+-+-+-+-+
//!   I:   |M| PICTURE ID  | (REQUIRED in flexible mode)
//!        +-+-+-+-+-+-+-+-+
//!   M:   | EXTENDED PID  |
//!        +-+-+-+-+-+-+-+-+
//!   L:   | TID |U| SID |D| (layer indices)
//!        +-+-+-+-+-+-+-+-+
//!        |   TL0PICIDX   | (only if F is 0)
//!        +-+-+-+-+-+-+-+-+
//!   P,F: | P_DIFF      |N| (only if F and P are 1; up to 3 times, while N is 1)
//!        +-+-+-+-+-+-+-+-+
//!   V:   | SS            | (scalability structure)
//!        | ..            |
//!        +-+-+-+-+-+-+-+-+
//!
//!        +-+-+-+-+-+-+-+-+
//!   V:   | N_S |Y|G|-|-|-|                §4.2.1
//!        +-+-+-+-+-+-+-+-+
//!   Y:   |     WIDTH     | 16 bits  ┐
//!        |     HEIGHT    | 16 bits  ┘ N_S + 1 times
//!        +-+-+-+-+-+-+-+-+
//!   G:   |      N_G      |
//!        +-+-+-+-+-+-+-+-+
//!   N_G: | TID |U| R |-|-| ┐
//!        +-+-+-+-+-+-+-+-+ │ N_G times
//!        |    P_DIFF     | ┘ (R times)
//!        +-+-+-+-+-+-+-+-+
//! ```

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u8, be_u16};
use smallvec::SmallVec;

use super::super::descriptor::{PictureId, bits, flags, forbidden};
use crate::wire::field::{Parsed, bit, field};

/// A picture refers to three others at most.
const MAX_REFERENCES: usize = 3;

/// How many pictures back the referred ones are.
pub(super) type References = SmallVec<[u8; MAX_REFERENCES]>;

/// The payload descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Descriptor {
    /// P: the picture refers to earlier ones.
    pub(super) inter_picture_predicted: bool,
    /// B: a layer frame begins here.
    pub(super) begins: bool,
    /// E: it ends here.
    pub(super) ends: bool,
    /// Z: no higher spatial layer refers to this frame.
    pub(super) not_for_upper_layers: bool,
    pub(super) picture_id: Option<PictureId>,
    pub(super) layer: Option<LayerIndices>,
    pub(super) mode: Mode,
    pub(super) structure: Option<ScalabilityStructure>,
}

/// F: how the references of pictures are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// By the group of pictures in the scalability structure; with layer indices goes TL0PICIDX, a
    /// count of the pictures of the lowest temporal layer.
    NonFlexible { temporal_level_zero_index: u8 },
    /// In each descriptor: one to three P_DIFF if P is set.
    Flexible { references: References },
}

impl Default for Mode {
    fn default() -> Self {
        Self::NonFlexible { temporal_level_zero_index: 0 }
    }
}

/// Which layers a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LayerIndices {
    /// TID.
    pub(super) temporal: u8,
    /// U: from here on this temporal layer can be switched up to.
    pub(super) switching_up_point: bool,
    /// SID.
    pub(super) spatial: u8,
    /// D: the frame refers to the spatial layer below.
    pub(super) inter_layer_predicted: bool,
}

/// How the stream is scaled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ScalabilityStructure {
    /// N_S + 1: 1 to 8.
    pub(super) spatial_layers: u8,
    /// Width and height of each spatial layer, if told.
    pub(super) resolutions: Option<SmallVec<[(u16, u16); 8]>>,
    /// The pictures of a group, at most 255, if told.
    pub(super) group: Option<Vec<GroupPicture>>,
}

/// One picture of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct GroupPicture {
    /// TID.
    pub(super) temporal: u8,
    /// U.
    pub(super) switching_up_point: bool,
    /// P_DIFF, R times.
    pub(super) references: References,
}

impl Descriptor {
    /// Octets of a descriptor as we send it, without structure: flags and a picture id of 15 bits.
    pub(super) const SENT: usize = 3;

    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (mut input, first) = flags("VP9 payload descriptor", input)?;
        let has_picture_id = bit("I", 7, first);
        let inter_picture_predicted = bit("P", 6, first);
        let has_layer = bit("L", 5, first);
        let is_flexible = bit("F", 4, first);
        let begins = bit("B", 3, first);
        let ends = bit("E", 2, first);
        let has_structure = bit("V", 1, first);
        let not_for_upper_layers = bit("Z", 0, first);
        let (mut picture_id, mut layer, mut structure) = (None, None, None);
        let mut mode = Mode::default();
        if has_picture_id {
            let (rest, id) = PictureId::parse(input)?;
            (input, picture_id) = (rest, Some(id));
        }
        if has_layer {
            let (rest, indices) = LayerIndices::parse(input)?;
            (input, layer) = (rest, Some(indices));
            if !is_flexible {
                let (rest, temporal_level_zero_index) =
                    field("TL0PICIDX", be_u8).parse_complete(input)?;
                (input, mode) = (rest, Mode::NonFlexible { temporal_level_zero_index });
            }
        }
        if is_flexible {
            let (rest, references) = parse_references(inter_picture_predicted, input)?;
            (input, mode) = (rest, Mode::Flexible { references });
        }
        if has_structure {
            let (rest, parsed) = ScalabilityStructure::parse(input)?;
            (input, structure) = (rest, Some(parsed));
        }
        let descriptor = Self {
            inter_picture_predicted,
            begins,
            ends,
            not_for_upper_layers,
            picture_id,
            layer,
            mode,
            structure,
        };
        Ok((input, descriptor))
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u8(
            u8::from(self.picture_id.is_some()) << 7
                | u8::from(self.inter_picture_predicted) << 6
                | u8::from(self.layer.is_some()) << 5
                | u8::from(matches!(self.mode, Mode::Flexible { .. })) << 4
                | u8::from(self.begins) << 3
                | u8::from(self.ends) << 2
                | u8::from(self.structure.is_some()) << 1
                | u8::from(self.not_for_upper_layers),
        );
        if let Some(id) = self.picture_id {
            id.write(out);
        }
        if let Some(layer) = self.layer {
            layer.write(out);
            if let Mode::NonFlexible { temporal_level_zero_index } = self.mode {
                out.put_u8(temporal_level_zero_index);
            }
        }
        if let Mode::Flexible { references } = &self.mode
            && self.inter_picture_predicted
        {
            for (index, difference) in references.iter().enumerate() {
                out.put_u8(difference << 1 | u8::from(index + 1 < references.len()));
            }
        }
        if let Some(structure) = &self.structure {
            structure.write(out);
        }
    }
}

/// P_DIFF of flexible mode: none without P, else up to three, each of which says if one follows.
fn parse_references(predicted: bool, mut input: &[u8]) -> Parsed<'_, References> {
    let mut references = References::new();
    let mut another = predicted;
    while another {
        if references.len() == MAX_REFERENCES {
            return Err(forbidden("N", input));
        }
        let (rest, octet) = flags("P_DIFF", input)?;
        references.push(bits("P_DIFF", 1, 7, octet));
        another = bit("N", 0, octet);
        input = rest;
    }
    Ok((input, references))
}

impl LayerIndices {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octet) = flags("TID/U/SID/D", input)?;
        let indices = Self {
            temporal: bits("TID", 5, 3, octet),
            switching_up_point: bit("U", 4, octet),
            spatial: bits("SID", 1, 3, octet),
            inter_layer_predicted: bit("D", 0, octet),
        };
        Ok((rest, indices))
    }

    fn write(self, out: &mut BytesMut) {
        out.put_u8(
            self.temporal << 5
                | u8::from(self.switching_up_point) << 4
                | (self.spatial & 7) << 1
                | u8::from(self.inter_layer_predicted),
        );
    }
}

impl ScalabilityStructure {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (mut input, first) = flags("Scalability structure", input)?;
        let spatial_layers = bits("N_S", 5, 3, first) + 1;
        let has_resolutions = bit("Y", 4, first);
        let has_group = bit("G", 3, first);
        bits("-", 0, 3, first);
        let mut resolutions = None;
        if has_resolutions {
            let mut layers = SmallVec::new();
            for _ in 0..spatial_layers {
                let (rest, width) = field("WIDTH", be_u16).parse_complete(input)?;
                let (rest, height) = field("HEIGHT", be_u16).parse_complete(rest)?;
                layers.push((width, height));
                input = rest;
            }
            resolutions = Some(layers);
        }
        let mut group = None;
        if has_group {
            let (rest, count) = field("N_G", be_u8).parse_complete(input)?;
            let mut pictures = Vec::new();
            input = rest;
            for _ in 0..count {
                let (rest, picture) = GroupPicture::parse(input)?;
                pictures.push(picture);
                input = rest;
            }
            group = Some(pictures);
        }
        Ok((input, Self { spatial_layers, resolutions, group }))
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u8(
            self.spatial_layers.wrapping_sub(1) << 5
                | u8::from(self.resolutions.is_some()) << 4
                | u8::from(self.group.is_some()) << 3,
        );
        for (width, height) in self.resolutions.iter().flatten() {
            out.put_u16(*width);
            out.put_u16(*height);
        }
        if let Some(pictures) = &self.group {
            out.put_u8(u8::try_from(pictures.len()).unwrap_or(u8::MAX));
            for picture in pictures.iter().take(usize::from(u8::MAX)) {
                picture.write(out);
            }
        }
    }
}

impl GroupPicture {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (mut input, octet) = flags("TID/U/R", input)?;
        let temporal = bits("TID", 5, 3, octet);
        let switching_up_point = bit("U", 4, octet);
        let count = bits("R", 2, 2, octet);
        bits("-", 0, 2, octet);
        let mut references = References::new();
        for _ in 0..count {
            let (rest, difference) = field("P_DIFF", be_u8).parse_complete(input)?;
            references.push(difference);
            input = rest;
        }
        Ok((input, Self { temporal, switching_up_point, references }))
    }

    fn write(&self, out: &mut BytesMut) {
        let count = u8::try_from(self.references.len()).unwrap_or(0).min(3);
        out.put_u8(self.temporal << 5 | u8::from(self.switching_up_point) << 4 | count << 2);
        out.extend(self.references.iter().take(usize::from(count)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::*;

    fn any_group() -> impl Strategy<Value = Vec<GroupPicture>> {
        let picture = (0..8_u8, any::<bool>(), vec(any::<u8>(), 0..4)).prop_map(
            |(temporal, switching_up_point, references)| GroupPicture {
                temporal,
                switching_up_point,
                references: references.into(),
            },
        );
        vec(picture, 0..20)
    }

    fn any_structure() -> impl Strategy<Value = ScalabilityStructure> {
        (vec(any::<(u16, u16)>(), 1..9), any::<bool>(), option::of(any_group())).prop_map(
            |(layers, has_resolutions, group)| ScalabilityStructure {
                spatial_layers: u8::try_from(layers.len()).unwrap(),
                resolutions: has_resolutions.then(|| layers.into()),
                group,
            },
        )
    }

    fn any_descriptor() -> impl Strategy<Value = Descriptor> {
        let layer = (0..8_u8, any::<bool>(), 0..8_u8, any::<bool>()).prop_map(
            |(temporal, switching_up_point, spatial, inter_layer_predicted)| LayerIndices {
                temporal,
                switching_up_point,
                spatial,
                inter_layer_predicted,
            },
        );
        let mode = prop_oneof![
            any::<u8>().prop_map(|temporal_level_zero_index| Mode::NonFlexible {
                temporal_level_zero_index
            }),
            vec(0..0x80_u8, 1..4)
                .prop_map(|references| Mode::Flexible { references: references.into() })
        ];
        (
            any::<(bool, bool, bool, bool)>(),
            option::of(testing::picture_id()),
            option::of(layer),
            mode,
            option::of(any_structure()),
        )
            .prop_map(|((p, b, e, z), picture_id, layer, mode, structure)| Descriptor {
                inter_picture_predicted: p,
                begins: b,
                ends: e,
                not_for_upper_layers: z,
                picture_id,
                mode: match mode {
                    Mode::Flexible { .. } if !p => Mode::Flexible { references: References::new() },
                    Mode::NonFlexible { .. } if layer.is_none() => Mode::default(),
                    mode => mode,
                },
                layer,
                structure,
            })
    }

    #[test]
    fn a_fourth_reference_is_an_error() {
        // I, P, F; picture id 1; three P_DIFF of which the last announces another.
        let four = testing::hex("d8 01 03 03 03 02");
        assert!(Descriptor::parse(&four).is_err());
        let three = testing::hex("d8 01 03 03 02 02");
        let (rest, descriptor) = Descriptor::parse(&three).unwrap();
        assert_eq!(rest, [2]);
        assert_eq!(
            descriptor.mode,
            Mode::Flexible { references: References::from_slice(&[1, 1, 1]) }
        );
    }

    proptest! {
        #[test]
        fn round_trip(descriptor in any_descriptor()) {
            let mut out = BytesMut::new();
            descriptor.write(&mut out);
            prop_assert_eq!(Descriptor::parse(&out), Ok((&[][..], descriptor)));
            for length in 0..out.len() {
                prop_assert!(Descriptor::parse(&out[..length]).is_err());
            }
        }
    }
}
