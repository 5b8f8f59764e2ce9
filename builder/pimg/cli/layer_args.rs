//! Arguments of `pimg layer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::command::request::LayerRequest;

/// `pimg layer`
#[derive(Args, Debug)]
pub struct LayerArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: LayerAction,
}

/// What to do with baked layers.
#[derive(Clone, Debug, Subcommand)]
pub enum LayerAction {
    /// List the layers in the cache
    #[command(after_help = "Example:\n  pimg layer list")]
    List,
    /// Write a layer to a file: an OCI image layout in one tar
    #[command(after_help = "Example:\n  pimg layer export k8sctl-pi5l k8sctl.tar")]
    Export {
        /// A profile, or the key of a layer, or the first 8 digits or more of one
        #[arg(value_name = "LAYER")]
        layer: String,
        /// The file; what is there is replaced
        file: PathBuf,
    },
    /// Take a layer out of a file into the cache, once all of it was checked
    #[command(after_help = "Example:\n  pimg layer import k8sctl.tar")]
    Import {
        /// A file of `pimg layer export`
        file: PathBuf,
    },
    /// Put layers into a registry or a store, where others find them
    #[command(after_help = "Example:\n  pimg layer push --all oci://ghcr.io/you/layers")]
    Push(ExchangeArgs),
    /// Get layers from a registry or a store into the cache, once all of each was checked
    #[command(after_help = "Example:\n  pimg layer pull --all oci://ghcr.io/you/layers")]
    Pull(ExchangeArgs),
}

/// Which layers, and where they are.
#[derive(Args, Clone, Debug)]
pub struct ExchangeArgs {
    /// Profiles, or keys of layers; and, with a slash in it, where layers are [default: PIMG_LAYERS, else as the profile says]
    ///
    /// `oci://REGISTRY/REPOSITORY[:TAG]` or the same without `oci://`, `https://HOST/DIR/`, `s3://BUCKET/PREFIX`,
    /// `file:///DIR`. Without TAG a layer is found by its key.
    #[arg(value_name = "LAYER|PLACE")]
    pub words: Vec<String>,

    /// The layers of all profiles that say `bake = true`
    #[arg(long)]
    pub all: bool,
}

impl From<LayerArgs> for LayerRequest {
    fn from(args: LayerArgs) -> Self {
        match args.action {
            LayerAction::List => Self::List,
            LayerAction::Export { layer, file } => Self::Export { layer, file },
            LayerAction::Import { file } => Self::Import { file },
            LayerAction::Push(args) => Self::Push { words: args.words, all: args.all },
            LayerAction::Pull(args) => Self::Pull { words: args.words, all: args.all },
        }
    }
}
