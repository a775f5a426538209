//! One media section together with the session level behind it.
//!
//! RFC 8866 §5.13: an attribute at session level is the default for every section, where its RFC
//! says so. The methods are in the files of their RFCs beside this one.
//! Book: the chapter on SDP.

use crate::attribute::Attribute;
use crate::line::Lines;
use crate::media::Media;

/// A media section and the session's lines behind it: what a transport reads.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// The lines of the session.
    pub session: &'a Lines,
    /// The section.
    pub media: &'a Media,
}

impl<'a> Section<'a> {
    /// Looks at `media` with the defaults of `session`.
    #[must_use]
    pub fn new(session: &'a Lines, media: &'a Media) -> Self {
        Self { session, media }
    }

    /// The first attribute of this name in the section, else in the session.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Attribute<'a>> {
        self.media.lines.attribute(name).or_else(|| self.session.attribute(name))
    }

    /// Every attribute of this name in the section, and none of the session.
    pub(crate) fn own(&self, name: &'static str) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        self.media.lines.attributes().filter(move |attribute| attribute.name == name)
    }
}
