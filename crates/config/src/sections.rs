//! The language of the table in `tree.rs`.

/// Turns the table into structs, their defaults, and the description that everything else reads.
///
/// A line with `= default, mutability` is a setting; a line without is a section further down in the table.
/// `+ field: type` adds a private field that is no setting.
macro_rules! sections {
    ($(
        $(#[$attribute:meta])*
        $type:ident [$folder:literal, $at:tt] {
            $(
                #[doc = $about:literal]
                $name:literal $field:ident : $value:ty $(= $default:expr, $mutability:ident)?;
            )*
            $(+ $private:ident : $private_type:ty)?
        }
    )*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type {
            $(#[doc = concat!($about, "\n\n`", $folder, $name, "`.")] pub $field: $value,)*
            $(pub(crate) $private: $private_type,)?
        }

        impl Default for $type {
            fn default() -> Self {
                Self {
                    $($field: sections!(@initial $value $(= $default)?),)*
                    $($private: <$private_type>::default(),)?
                }
            }
        }

        impl $type {
            pub(crate) const MEMBERS: &'static [Member] = &[
                $(sections!(@member [$folder $name $about] $at $field $value $(= $mutability)?),)*
            ];
        }
    )*};

    (@initial $section:ty) => { <$section>::default() };
    (@initial $value:ty = $default:expr) => { $default };

    (@member [$folder:literal $name:literal $about:literal] $at:tt $field:ident $section:ty) => {
        Member::Section { name: $name, element: concat!("cfg:", $name), members: <$section>::MEMBERS }
    };
    (@member [$folder:literal $name:literal $about:literal] $at:tt $field:ident $value:ty = $mutability:ident) => {
        Member::Setting(Setting::describe::<$value>(
            [concat!($folder, $name), concat!("cfg:", $name), $about],
            $mutability,
            |config| sections!(@place config $at $field).show(),
            |config, text| exchange(&mut sections!(@place config $at $field), text),
        ))
    };

    (@place $config:ident ($($at:ident).*) $field:ident) => { $config$(.$at)*.$field };
}
