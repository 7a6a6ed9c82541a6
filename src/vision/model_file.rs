//! Loading a model file: what it must look like, and a clear refusal when it does not.
//!
//! Everything that the code needs to know of a model (input size, normalisation, layout) is read from the metadata
//! inside the file, so a retrained model is a new file and nothing else.

use std::{collections::BTreeMap, fmt, io::Cursor, path::Path, str::FromStr, sync::Arc};

use agegate_kernels::Path as KernelPath;
use image::RgbImage;
use tract_onnx::prelude::*;

use super::integer::IntegerNet;

/// Largest model file that is read, in bytes: a bound on memory, an order of magnitude above what fits the purpose.
pub const MAX_MODEL_BYTES: u64 = 32 * 1024 * 1024;

/// Why a model was refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file could not be read.
    #[error("model {model}: cannot read the file: {source}")]
    Read {
        /// Path, or "embedded".
        model: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than any model of ours.
    #[error("model {model}: {bytes} bytes is more than the {MAX_MODEL_BYTES} that a model may have")]
    TooLarge {
        /// Path, or "embedded".
        model: String,
        /// Size found.
        bytes: u64,
    },
    /// Not an ONNX file that tract can run.
    #[error("model {model}: not an ONNX file that can be run (cut short, or made for another program?): {detail}")]
    NotRunnable {
        /// Path, or "embedded".
        model: String,
        /// What tract said.
        detail: String,
    },
    /// A metadata property is missing or has another value than the code needs.
    #[error("model {model}: metadata `{key}` is {found}, expected {expected}")]
    Metadata {
        /// Path, or "embedded".
        model: String,
        /// The metadata property.
        key: &'static str,
        /// Its value, or "missing".
        found: String,
        /// What would do.
        expected: String,
    },
    /// Inputs or outputs have other shapes than the code needs.
    #[error("model {model}: {what} is {found}, expected {expected}")]
    Shape {
        /// Path, or "embedded".
        model: String,
        /// Which input or output.
        what: String,
        /// Its shape and type.
        found: String,
        /// What would do.
        expected: String,
    },
    /// The model ran, and gave something that is no answer.
    #[error("model {model}: running it failed: {detail}")]
    Run {
        /// Path, or "embedded".
        model: String,
        /// What happened.
        detail: String,
    },
}

/// Which model gave an answer: name and version, and the first 16 hex digits of the BLAKE3 hash of its file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelIdentity {
    /// Name from the metadata.
    pub name: String,
    /// Version from the metadata.
    pub version: String,
    /// First 16 hex digits of the BLAKE3 hash of the file.
    pub hash: String,
}

impl fmt::Display for ModelIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.name, self.version, self.hash)
    }
}

/// How a model is to be run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// In integers where the processor has instructions for it and the file is calibrated for it, else in float.
    #[default]
    Auto,
    /// In float, by tract: for comparison, and for whoever wants the figures of a machine that has no such instructions.
    Float,
}

/// What runs a model.
enum Engine {
    Integer(Box<IntegerNet>),
    /// tract's plan, and why it is not done in integers.
    Float(Arc<TypedRunnableModel>, String),
}

/// A loaded model: a plan to run, and its metadata.
pub(super) struct ModelFile {
    /// Path, or "embedded", for messages.
    pub(super) label: String,
    pub(super) identity: ModelIdentity,
    pub(super) input: InputFormat,
    metadata: BTreeMap<String, String>,
    engine: Engine,
}

/// How pictures become the input tensor `[1, 3 * pictures, height, width]`: RGB, `(value - mean) / std`, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputFormat {
    pub(super) width: u32,
    pub(super) height: u32,
    pictures: usize,
    mean: f32,
    std: f32,
}

impl ModelFile {
    /// Reads a file of at most [`MAX_MODEL_BYTES`].
    pub(super) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
        let model = path.display().to_string();
        let bytes = std::fs::metadata(path).map_err(|source| ModelError::Read { model: model.clone(), source })?.len();
        if bytes > MAX_MODEL_BYTES {
            return Err(ModelError::TooLarge { model, bytes });
        }
        crate::regular::read(path, MAX_MODEL_BYTES).map_err(|source| ModelError::Read { model, source })
    }

    /// Parses and optimises a model that sees one picture, and checks its name, its input and the shapes of its outputs.
    ///
    /// `outputs` maps the sizes of the input (width, height) to the shape of each output.
    pub(super) fn load(
        label: &str,
        bytes: &[u8],
        name: &'static str,
        runtime: Runtime,
        outputs: impl FnOnce(u32, u32) -> Vec<Vec<usize>>,
    ) -> Result<Self, ModelError> {
        Self::load_stacked(label, bytes, name, runtime, |_| Ok(1), outputs)
    }

    /// The same for a model that sees as many pictures at once as its metadata says.
    pub(super) fn load_stacked(
        label: &str,
        bytes: &[u8],
        name: &'static str,
        runtime: Runtime,
        pictures: impl FnOnce(&Metadata<'_>) -> Result<usize, ModelError>,
        outputs: impl FnOnce(u32, u32) -> Vec<Vec<usize>>,
    ) -> Result<Self, ModelError> {
        let refuse = |error: TractError| ModelError::NotRunnable { model: label.into(), detail: one_line(&error) };
        let onnx = tract_onnx::onnx();
        let file = guarded(label, || onnx.proto_model_for_read(&mut Cursor::new(bytes)).map_err(refuse))?;
        let metadata: BTreeMap<String, String> =
            file.metadata_props.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        let reader = Metadata { label, values: &metadata };
        reader.exactly("name", name)?;
        reader.exactly("layout", "NCHW")?;
        reader.exactly("colour", "RGB")?;
        let input = InputFormat {
            width: reader.within("input_width", 16, 1024)?,
            height: reader.within("input_height", 16, 1024)?,
            pictures: pictures(&reader)?,
            mean: reader.number("mean")?,
            std: reader.number("std")?,
        };
        if !(input.std.is_finite() && input.std != 0.0 && input.mean.is_finite()) {
            return Err(reader.wrong("std", "a number other than 0"));
        }
        let version = reader.text("version")?;
        let scales = reader.scales()?;

        let wanted_outputs = outputs(input.width, input.height);
        let integer = guarded(label, || {
            Ok(match (runtime, KernelPath::best()) {
                (Runtime::Float, _) => Err("it was asked for".to_owned()),
                (Runtime::Auto, None) => Err("this processor has no instructions for it".to_owned()),
                (Runtime::Auto, Some(path)) => IntegerNet::build(&file, input, &scales, path),
            })
        })?;
        let engine = match integer {
            Ok(net) if net.shapes() == wanted_outputs => Engine::Integer(Box::new(net)),
            other => {
                let why = other.err().unwrap_or_else(|| "its outputs have other shapes".into());
                let plan = guarded(label, || {
                    let wanted_input = vec![1, 3 * input.pictures, input.height as usize, input.width as usize];
                    let typed =
                        onnx.model_for_proto_model(&file).and_then(InferenceModelExt::into_typed).map_err(refuse)?;
                    check_shapes(label, "input", &facts(&typed, true), &[wanted_input])?;
                    check_shapes(label, "output", &facts(&typed, false), &wanted_outputs)?;
                    typed.into_optimized().and_then(IntoRunnable::into_runnable).map_err(refuse)
                })?;
                Engine::Float(plan, why)
            }
        };
        let hash = blake3::hash(bytes).to_hex()[..16].to_owned();
        let identity = ModelIdentity { name: name.into(), version, hash };
        Ok(Self { label: label.into(), identity, input, metadata, engine })
    }

    /// How the model is run, for people: "integers by NEON with dot product", or "float, because ...".
    pub(super) fn runs(&self) -> String {
        match &self.engine {
            Engine::Integer(net) => net.path().to_string(),
            Engine::Float(_, why) => format!("float, because {why}"),
        }
    }

    pub(super) fn metadata(&self) -> Metadata<'_> {
        Metadata { label: &self.label, values: &self.metadata }
    }

    /// Whether pictures of another size than the input's can be run.
    pub(super) fn takes_other_sizes(&self) -> bool {
        matches!(&self.engine, Engine::Integer(net) if net.takes_other_sizes())
    }

    /// Runs the model on a picture of the input size, or of another where it takes those, and returns its outputs as flat slices' owners.
    pub(super) fn run(&self, image: &RgbImage) -> Result<Vec<Vec<f32>>, ModelError> {
        self.run_stacked(std::slice::from_ref(image))
    }

    /// Runs the model on as many pictures of the input size as it sees at once.
    pub(super) fn run_stacked(&self, images: &[RgbImage]) -> Result<Vec<Vec<f32>>, ModelError> {
        debug_assert_eq!(images.len(), self.input.pictures);
        let expected = (self.input.width, self.input.height);
        debug_assert!(self.takes_other_sizes() || images.iter().all(|i| i.dimensions() == expected));
        let values = match &self.engine {
            Engine::Integer(net) => net.run(images),
            Engine::Float(plan, _) => self.run_float(plan, images)?,
        };
        if values.iter().flatten().all(|v| v.is_finite()) {
            return Ok(values);
        }
        Err(ModelError::Run { model: self.label.clone(), detail: "it answered with a number that is none".into() })
    }

    fn run_float(&self, plan: &Arc<TypedRunnableModel>, images: &[RgbImage]) -> Result<Vec<Vec<f32>>, ModelError> {
        let failed = |error: TractError| ModelError::Run { model: self.label.clone(), detail: one_line(&error) };
        let outputs = plan.run(tvec!(self.input.tensor(images).into_tvalue())).map_err(failed)?;
        let values = |value: &TValue| value.try_as_plain_ram().and_then(|view| Ok(view.as_slice::<f32>()?.to_vec()));
        outputs.iter().map(|value| values(value).map_err(failed)).collect()
    }
}

impl InputFormat {
    /// Pictures that the model sees at once.
    pub(super) fn pictures(&self) -> usize {
        self.pictures
    }

    /// The value of a pixel that the model sees as 0.
    pub(super) fn mean(&self) -> f32 {
        self.mean
    }

    /// Steps of a pixel in 1 of the model's input.
    pub(super) fn std(&self) -> f32 {
        self.std
    }

    fn tensor(&self, images: &[RgbImage]) -> Tensor {
        let plane = (self.width * self.height) as usize;
        let channels = 3 * self.pictures;
        let mut values = vec![0.0f32; channels * plane];
        let (factor, offset) = (1.0 / self.std, -self.mean / self.std);
        for (image, planes) in images.iter().zip(values.chunks_exact_mut(3 * plane)) {
            let (red, rest) = planes.split_at_mut(plane);
            let (green, blue) = rest.split_at_mut(plane);
            for (((pixel, r), g), b) in image.as_raw().chunks_exact(3).zip(red).zip(green).zip(blue) {
                *r = f32::from(pixel[0]) * factor + offset;
                *g = f32::from(pixel[1]) * factor + offset;
                *b = f32::from(pixel[2]) * factor + offset;
            }
        }
        // The vector has exactly channels * height * width elements.
        Tensor::from_shape(&[1, channels, self.height as usize, self.width as usize], &values)
            .expect("shape matches its data")
    }
}

/// Typed access to the metadata of a model; every miss is an error that names the key.
pub(super) struct Metadata<'a> {
    pub(super) label: &'a str,
    pub(super) values: &'a BTreeMap<String, String>,
}

impl Metadata<'_> {
    pub(super) fn wrong(&self, key: &'static str, expected: impl Into<String>) -> ModelError {
        ModelError::Metadata {
            model: self.label.into(),
            key,
            found: self.values.get(key).map_or_else(|| "missing".into(), |v| format!("{v:?}")),
            expected: expected.into(),
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(super) fn text(&self, key: &'static str) -> Result<String, ModelError> {
        self.values.get(key).cloned().ok_or_else(|| self.wrong(key, "a text"))
    }

    pub(super) fn number<T: FromStr>(&self, key: &'static str) -> Result<T, ModelError> {
        self.text(key)?.trim().parse().map_err(|_| self.wrong(key, "a number"))
    }

    pub(super) fn numbers(&self, key: &'static str, count: usize) -> Result<Vec<f32>, ModelError> {
        let expected = || self.wrong(key, format!("{count} positive numbers with commas"));
        let found: Option<Vec<f32>> = self.text(key)?.split(',').map(|n| n.trim().parse().ok()).collect();
        found.filter(|n| n.len() == count && n.iter().all(|v: &f32| v.is_finite() && *v > 0.0)).ok_or_else(expected)
    }

    /// Scales of the activations; none where the file was not calibrated.
    fn scales(&self) -> Result<Vec<f32>, ModelError> {
        const KEY: &str = "activation_scales";
        if !self.has(KEY) {
            return Ok(Vec::new());
        }
        self.numbers(KEY, self.text(KEY)?.split(',').count())
    }

    fn within(&self, key: &'static str, low: u32, high: u32) -> Result<u32, ModelError> {
        let value: u32 = self.number(key)?;
        if (low..=high).contains(&value) { Ok(value) } else { Err(self.wrong(key, format!("{low} to {high}"))) }
    }

    fn exactly(&self, key: &'static str, expected: &str) -> Result<(), ModelError> {
        if self.text(key)? == expected { Ok(()) } else { Err(self.wrong(key, format!("{expected:?}"))) }
    }
}

/// A malformed file must not bring the gate down, whatever it does inside the parser.
fn guarded<T>(label: &str, work: impl FnOnce() -> Result<T, ModelError>) -> Result<T, ModelError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(ModelError::NotRunnable { model: label.into(), detail: "the parser gave up on it".into() })
    })
}

type Facts = Vec<(String, Option<Vec<usize>>)>;

fn facts(model: &TypedModel, inputs: bool) -> Facts {
    let outlets = if inputs { &model.inputs } else { &model.outputs };
    outlets
        .iter()
        .map(|outlet| {
            let Ok(fact) = model.outlet_fact(*outlet) else { return ("unknown".into(), None) };
            let shape = fact.shape.as_concrete().map(<[usize]>::to_vec);
            (format!("{fact:?}"), shape.filter(|_| fact.datum_type == f32::datum_type()))
        })
        .collect()
}

fn check_shapes(label: &str, kind: &str, found: &Facts, wanted: &[Vec<usize>]) -> Result<(), ModelError> {
    let wrong = |what: String, found: String, expected: String| ModelError::Shape {
        model: label.into(),
        what,
        found,
        expected,
    };
    if found.len() != wanted.len() {
        return Err(wrong(format!("the number of {kind}s"), found.len().to_string(), wanted.len().to_string()));
    }
    for (index, ((text, shape), want)) in found.iter().zip(wanted).enumerate() {
        if shape.as_ref() != Some(want) {
            return Err(wrong(format!("{kind} {index}"), text.clone(), format!("f32 {want:?}")));
        }
    }
    Ok(())
}

fn one_line(error: &TractError) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}
