//! What `evaluate` and `calibrate` share: the sources of labelled pictures, and the settings of the simulated gate.

use std::error::Error;

use crate::{
    cli::DatasetArgs,
    config::Config,
    evaluate::{
        Input,
        dataset::{Dataset, Source},
    },
};

/// Opens all sources, and says what cannot be used.
pub(super) fn open(args: &DatasetArgs) -> Result<Dataset, Box<dyn Error>> {
    let input = if args.aligned { Input::Chips } else { Input::Pictures };
    let whole = args.dataset.iter().map(|path| Source { path: path.clone(), input });
    let aligned = args.aligned_dataset.iter().map(|path| Source { path: path.clone(), input: Input::Chips });
    Ok(Dataset::open(&whole.chain(aligned).collect::<Vec<_>>())?)
}

/// The configuration that is simulated.
pub(super) fn settings(args: &DatasetArgs) -> Result<Config, Box<dyn Error>> {
    Ok(args.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?)
}
