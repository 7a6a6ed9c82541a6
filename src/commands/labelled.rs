//! What `evaluate` and `calibrate` share: the sources of labelled pictures, and the settings of the simulated gate.

use std::error::Error;

use crate::{
    cli::DatasetArgs,
    config::Config,
    evaluate::{
        Eyes, Input,
        attacks::{AllSeen, AttackSet},
        dataset::{Dataset, Source},
    },
};

/// Whether there are pictures to judge ages by.
pub(super) fn has_ages(args: &DatasetArgs) -> bool {
    !args.dataset.is_empty() || !args.aligned_dataset.is_empty()
}

/// Looks at all attacks and living people; `None` without any.
pub(super) fn look(args: &DatasetArgs, eyes: &Eyes) -> Result<Option<AllSeen>, Box<dyn Error>> {
    if args.attacks.is_empty() && args.live.is_empty() {
        return Ok(None);
    }
    Ok(Some(AttackSet::open(&args.attacks, &args.live)?.look(eyes)?))
}

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
