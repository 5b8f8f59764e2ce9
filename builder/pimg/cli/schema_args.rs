//! Options of `pimg schema`.

use clap::{Args, ValueEnum};

use crate::command::request::SchemaRequest;

/// `pimg schema`
#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// The kind of file
    #[arg(value_enum, default_value_t)]
    pub of: SchemaArg,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaArg {
    /// profiles/NAME.toml
    #[default]
    Profile,
    /// overlays/NAME/overlay.toml
    Overlay,
}

impl From<SchemaArgs> for SchemaRequest {
    fn from(args: SchemaArgs) -> Self {
        match args.of {
            SchemaArg::Profile => Self::Profile,
            SchemaArg::Overlay => Self::Overlay,
        }
    }
}
