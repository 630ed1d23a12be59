//! Macro for the table of settings in `tree.rs`.

/// Expands the table into structs, their defaults, and their [`Setting`](crate::Setting) descriptions.
///
/// A line with `= default, mutability` is a setting; a line without is a subsection, defined further down in the
/// table. `+ field: type` adds a private field that is not a setting. `[folder, (fields)]` behind the name of a
/// section gives its path in messages and its path of fields below `Config`.
///
/// For example, this section
///
/// ```text
/// sections! {
///     /// Information returned by Identify.
///     Identify ["Identify/", (identify)] {
///         /// Vendor name that Identify returns.
///         "ProductVendor" product_vendor: ProductVendor = ProductVendor::default(), FileOnly;
///     }
/// }
/// ```
///
/// expands into
///
/// ```text
/// /// Information returned by Identify.
/// #[derive(Clone, Debug, PartialEq, Eq)]
/// #[non_exhaustive]
/// pub struct Identify {
///     /// Vendor name that Identify returns.
///     ///
///     /// `Identify/ProductVendor`.
///     pub product_vendor: ProductVendor,
/// }
///
/// impl Default for Identify {
///     fn default() -> Self {
///         Self { product_vendor: ProductVendor::default() }
///     }
/// }
///
/// impl Identify {
///     pub(crate) const MEMBERS: &'static [Member] = &[Member::Setting(Setting::describe::<ProductVendor>(
///         ["Identify/ProductVendor", "cfg:ProductVendor", "Vendor name that Identify returns."],
///         FileOnly,
///         |config| config.identify.product_vendor.show(),
///         |config, text| exchange(&mut config.identify.product_vendor, text),
///     ))];
/// }
/// ```
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
