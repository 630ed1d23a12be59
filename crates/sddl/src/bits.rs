/// Defines a set of bits, each with its SDDL word.
///
/// List the words in the order in which they are printed. No word may be a prefix of another.
macro_rules! bit_set {
    (
        $(#[$set_doc:meta])*
        $set:ident($repr:ty) { $( $(#[$bit_doc:meta])* $name:ident = $bit:literal $word:literal, )* }
    ) => {
        $(#[$set_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $set($repr);

        impl $set {
            /// The empty set.
            pub const NONE: Self = Self(0);
            $( $(#[$bit_doc])* pub const $name: Self = Self($bit); )*

            pub(crate) const WORDS: &'static [(&'static str, Self)] = &[$( ($word, Self::$name), )*];

            /// Returns the bits as in the binary form.
            #[must_use]
            pub const fn bits(self) -> $repr {
                self.0
            }

            /// Returns whether the set is empty.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Returns whether all bits of `other` are set; `true` for an empty `other`.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Returns the bits that are set in either.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Returns the bits that are set in both.
            #[must_use]
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// Returns the bits that are set here but not in `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Returns the words of all set bits, in the order in which SDDL prints them.
            fn words(self) -> impl Iterator<Item = &'static str> {
                Self::WORDS.iter().filter(move |(_, bit)| self.contains(*bit)).map(|(word, _)| *word)
            }
        }

        impl std::ops::BitOr for $set {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl std::ops::BitOrAssign for $set {
            fn bitor_assign(&mut self, other: Self) {
                *self = self.union(other);
            }
        }

        impl std::fmt::Debug for $set {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, concat!(stringify!($set), "({})"), self)
            }
        }
    };
}

pub(crate) use bit_set;
