//! The forms in which a finished image is written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a finished image is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// Independent Zstandard frames: quick to write and to read.
    #[default]
    Zst,
    /// Independent xz blocks: smallest.
    Xz,
    /// The image itself, sparse where it is empty.
    Raw,
}

impl ImageFormat {
    /// The end of the file's name, such as `img.zst`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zst => "img.zst",
            Self::Xz => "img.xz",
            Self::Raw => "img",
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Zst => "zst",
            Self::Xz => "xz",
            Self::Raw => "raw",
        })
    }
}
