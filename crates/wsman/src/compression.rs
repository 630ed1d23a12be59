//! Compression of the streams of a shell (MS-WSMV 3.2.4.1.19).

/// Compression of the streams of a shell, chosen when it is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None.
    #[default]
    None,
    /// LZ77 with Huffman codes (MS-XCA 2.1), for each piece of a stream.
    Xpress,
}

impl Compression {
    /// Value of the header `rsp:CompressionType` for [`Self::Xpress`].
    pub const XPRESS: &str = "xpress";

    /// Returns the name in the element `rsp:CompressionMode`.
    #[must_use]
    pub fn mode(self) -> &'static str {
        match self {
            Self::None => "NoCompression",
            Self::Xpress => "XpressCompression",
        }
    }

    /// Parses the name in the element `rsp:CompressionMode`; an unknown name means no compression.
    pub(crate) fn of_mode(name: &str) -> Self {
        if name == Self::Xpress.mode() { Self::Xpress } else { Self::None }
    }
}
