/// Makes a set of bits, each with the word that SDDL writes for it.
///
/// The words must stand in the order in which they are printed, and none may begin with another.
macro_rules! bit_set {
    (
        $(#[$set_doc:meta])*
        $set:ident($repr:ty) { $( $(#[$bit_doc:meta])* $name:ident = $bit:literal $word:literal, )* }
    ) => {
        $(#[$set_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $set($repr);

        impl $set {
            /// None of them.
            pub const NONE: Self = Self(0);
            $( $(#[$bit_doc])* pub const $name: Self = Self($bit); )*

            pub(crate) const WORDS: &'static [(&'static str, Self)] = &[$( ($word, Self::$name), )*];

            /// The value as it stands in the binary form.
            #[must_use]
            pub const fn bits(self) -> $repr {
                self.0
            }

            /// Whether nothing is set.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether all of `other` is set here; true for an empty `other`.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// What is set here or in `other`.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// What is set both here and in `other`.
            #[must_use]
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// What is set here but not in `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// The words of all that is set, in the order in which SDDL prints them.
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
