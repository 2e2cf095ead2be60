//! Words that stand in objects and reports: an enum and the text that stands for it in objects, events and scripts. No
//! I/O.

/// Gives the variants of an enum their names as text, and a list of them all. A variant that is missing does not
/// compile. Behind a semicolon: a variant that holds a word of another enum; it is not in the list.
macro_rules! name_variants {
    ($type:ty: $($variant:ident),+ $(,)? $(; $other:ident)?) => {
        impl $type {
            /// All that have a name of their own, in their order.
            // Of some enums only the tests walk through it.
            #[allow(dead_code)]
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name as it stands in objects.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                    $(Self::$other(word) => word.as_str(),)?
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
