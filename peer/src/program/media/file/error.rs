//! What is wrong with a file, and at which octet.

use std::io;
use std::path::PathBuf;

/// A file that cannot be played: which, where, why.
#[derive(Debug, thiserror::Error)]
#[error("{}, octet {}: {}", path.display(), flaw.offset, flaw.misdeed)]
pub(crate) struct FileError {
    /// The file.
    pub(crate) path: PathBuf,
    /// Where and why.
    pub(crate) flaw: Flaw,
}

/// What is wrong, and where: the offset of the structure that makes no sense, in octets from the
/// beginning of the file.
#[derive(Debug, thiserror::Error)]
#[error("octet {offset}: {misdeed}")]
pub(crate) struct Flaw {
    /// Where the structure begins.
    pub(crate) offset: u64,
    /// What is wrong with it.
    pub(crate) misdeed: Misdeed,
}

impl Flaw {
    /// For a structure at `offset`.
    pub(crate) fn new(offset: u64, misdeed: Misdeed) -> Flaw {
        Flaw { offset, misdeed }
    }
}

/// What can be wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misdeed {
    /// The system does not give its octets.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It begins like no format that is known here.
    #[error("this is none of Ogg, WAV, IVF and H.264 in Annex B form")]
    Unknown,
    /// It holds another codec than the one asked for.
    #[error("this is not the codec that was agreed on")]
    OtherCodec,
    /// Nothing in it can be played.
    #[error("there is nothing in it to play")]
    Empty,
    /// It ends too early.
    #[error("the file ends within {0}")]
    CutOff(&'static str),
    /// A length beyond what is taken.
    #[error("{what} has {octets} octets, and at most {limit} are taken")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its octets, or as many as were seen.
        octets: u64,
        /// The limit.
        limit: u64,
    },
    /// A page of Ogg that its checksum or its header belies.
    #[error("the Ogg page is broken: {0}")]
    Page(ogg::OggReadError),
    /// Ogg with something else in it.
    #[error("the Ogg stream is not Opus")]
    NotOpus,
    /// A version of the mapping nobody has defined.
    #[error("the Opus header has the unknown version {0}")]
    OpusVersion(u8),
    /// More channels than RTP can carry (RFC 7587 knows one and two).
    #[error("the Opus stream has {0} channels; only mono and stereo can be sent")]
    OpusChannels(u8),
    /// A packet whose first octets contradict each other (RFC 6716 §3.4).
    #[error("the Opus packet is malformed")]
    OpusPacket,
    /// A WAV file that its parser refuses.
    #[error("not a WAV file that can be read: {0}")]
    Wav(hound::Error),
    /// A sample rate that no sound has.
    #[error("a sample rate of {0} Hz cannot be converted")]
    SampleRate(u32),
    /// A WAV file without channels.
    #[error("{0} channels cannot be mixed")]
    Channels(u16),
    /// A version of IVF other than 0.
    #[error("the IVF header has the unknown version {0}")]
    IvfVersion(u16),
    /// A header shorter than its fields, or absurdly long.
    #[error("the IVF header claims to have {0} octets")]
    IvfHeaderLength(u16),
    /// A codec that is not known here.
    #[error("the codec `{}` is none of VP80, VP90 and AV01", .0.escape_ascii())]
    FourCc([u8; 4]),
    /// A clock that stands still.
    #[error("the time base {numerator}/{denominator} is no clock")]
    TimeBase {
        /// Seconds.
        numerator: u32,
        /// Ticks.
        denominator: u32,
    },
    /// A frame that is earlier than the one before it.
    #[error("the time goes back from {before} to {after}")]
    TimeGoesBack {
        /// The time stamp of the frame before.
        before: u64,
        /// The time stamp of this one.
        after: u64,
    },
    /// A frame that is due in the distant future.
    #[error("the next frame is only due {0} seconds later")]
    Pause(u64),
    /// Units of AV1 whose lengths contradict the frame's.
    #[error("the AV1 temporal unit is malformed")]
    TemporalUnit,
    /// `forbidden_zero_bit` is set: this is not H.264.
    #[error("the NAL unit has its forbidden bit set, so this is not H.264")]
    ForbiddenBit,
    /// A picture that nothing says how to decode.
    #[error("a picture comes before its parameter sets, so this is not H.264 or it is cut")]
    NoParameterSets,
}
