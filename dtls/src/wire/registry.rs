//! `registry!`: a number from an IANA registry as a newtype with named constants.
//!
//! RFC 5246 §12 and its successors keep these numbers at IANA, where they grow; a closed enum would
//! refuse a value registered tomorrow. The newtype keeps every value and knows the names of some.

/// Declares a newtype over an unsigned integer with named constants, `name`, `Debug` and `Display`
/// (the registered name, or the number in hexadecimal).
macro_rules! registry {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($int:ty);
        $( $(#[$doc:meta])* $constant:ident = $value:literal, $text:literal; )*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl $name {
            $( $(#[$doc])* pub const $constant: Self = Self($value); )*

            /// The registered name, if this crate knows it.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $value => Some($text), )*
                    _ => None,
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{:#0width$x}", self.0, width = 2 + 2 * size_of::<$int>()),
                }
            }
        }
    };
}
pub(crate) use registry;
