//! Words of the API: an enum and the text that stands for it in objects, events and scripts. No I/O.

/// Gives the variants of an enum their names as text, and a list of them all. A variant that is missing does not compile.
macro_rules! name_variants {
    ($type:ty: $($variant:ident),+ $(,)?) => {
        impl $type {
            /// All of them, in their order.
            #[cfg(feature = "testing")]
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name as it stands in objects.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant)),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use name_variants;
