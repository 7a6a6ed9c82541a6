//! A model in integers: its convolutions by the kernels of this processor instead of tract's float ones.
//!
//! The graph of the file is read as it stands (tract's own parser of ONNX), and what the gate's models consist of is
//! recognised: convolutions with 8-bit weights, rectifiers, sums of residual blocks, a weighted mean over places, linear layers; and
//! for several crops at once, each taken by a stem of its own, whose maps are put together.
//! Each convolution that ends in a rectifier gives 8-bit activations; their scales were calibrated on training pictures and
//! stand in the file's metadata (`activation_scales`, in the order of those convolutions). What follows the last map is a few
//! thousand multiplications and done in float. A file with anything else in it runs in float, by tract.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use agegate_kernels::{Convolution, Map, Meaning, Path, Residual, Shape};
use image::RgbImage;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType};

use super::model_file::InputFormat;

/// Most sets of maps for pictures of another size than the file's that are kept for the next run.
const MOST_OTHERS: usize = 2;
/// Most bytes that the maps of a model may take: an order of magnitude above what fits the purpose.
const MOST_BYTES: usize = 64 << 20;

/// A model as a list of steps.
pub(super) struct IntegerNet {
    path: Path,
    /// Maps of pictures at the beginning of `maps`: one for all crops, or one for each.
    entries: usize,
    steps: Vec<Step>,
    maps: Vec<Plan>,
    numbers: Vec<usize>,
    outputs: Vec<usize>,
    shapes: Vec<Vec<usize>>,
    /// Maps that no run is using now: one set for each thread that ever ran at once, and a few for pictures of other sizes.
    idle: Mutex<Vec<Scratch>>,
}

/// Size of a map, and the byte outside it.
#[derive(Clone, Copy)]
struct Plan {
    width: usize,
    height: usize,
    channels: usize,
    outside: u8,
}

struct Scratch {
    maps: Vec<Map>,
    numbers: Vec<Vec<f32>>,
}

/// One thing to do; maps and numbers go by their places in the scratch.
enum Step {
    /// Map to map, rectified, perhaps with an earlier map added.
    Convolve {
        by: Convolution,
        from: usize,
        to: usize,
        add: Option<(usize, f32)>,
    },
    /// Maps to one, one's channels after the other's.
    Join {
        from: Vec<usize>,
        to: usize,
    },
    /// Map to numbers.
    Read {
        by: Convolution,
        from: usize,
        to: usize,
    },
    /// A map's mean over places, weighted for each feature and place: `[channels, places]`, times the map's scale.
    Pool {
        weights: Vec<f32>,
        from: usize,
        to: usize,
    },
    /// Numbers to numbers: weights `[outputs, inputs]`.
    Linear {
        weights: Vec<f32>,
        bias: Vec<f32>,
        from: usize,
        to: usize,
    },
    Softmax {
        at: usize,
    },
    Sigmoid {
        at: usize,
    },
}

/// What a name of the graph stands for.
#[derive(Clone)]
enum Value {
    Map {
        at: usize,
        scale: f32,
        zero: f32,
    },
    /// All crops, which only a slice of three channels takes.
    Pictures {
        scale: f32,
        zero: f32,
    },
    Numbers {
        at: usize,
        shape: Vec<usize>,
    },
}

/// Why a model does not run in integers; what it says completes "runs in float: ".
type Unfit = String;

/// Weights of a convolution as they stand in the file.
struct Weights {
    values: Vec<i8>,
    scale: Vec<f32>,
    shape: Shape,
}

impl IntegerNet {
    /// Reads a model, or says what of it does not run in integers. `scales` are the metadata's.
    pub(super) fn build(model: &ModelProto, input: InputFormat, scales: &[f32], path: Path) -> Result<Self, Unfit> {
        let graph = model.graph.as_ref().ok_or("it has no graph")?;
        let mut builder = Builder::new(graph, input, scales, path)?;
        for index in 0..graph.node.len() {
            builder.node(index)?;
        }
        builder.finish()
    }

    /// How it multiplies.
    pub(super) fn path(&self) -> Path {
        self.path
    }

    /// Shape of each output.
    pub(super) fn shapes(&self) -> &[Vec<usize>] {
        &self.shapes
    }

    /// The outputs for pictures of the input's size, each flat.
    pub(super) fn run(&self, pictures: &[RgbImage]) -> Vec<Vec<f32>> {
        let size = pictures.first().map_or((0, 0), |picture| (picture.width() as usize, picture.height() as usize));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = idle.iter().position(|scratch| scratch.maps[0].size() == size);
        let fitting = fitting.map(|at| idle.remove(at));
        drop(idle);
        let mut scratch = fitting.unwrap_or_else(|| self.scratch(size));
        show(pictures, &mut scratch.maps[..self.entries]);
        for step in &self.steps {
            step.run(&mut scratch);
        }
        let outputs = self.outputs.iter().map(|at| scratch.numbers[*at].clone()).collect();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let own = (self.maps[0].width, self.maps[0].height);
        let other = |scratch: &Scratch| scratch.maps[0].size() != own;
        if other(&scratch) && idle.iter().filter(|scratch| other(scratch)).count() == MOST_OTHERS {
            // The one that was not used for the longest time.
            idle.iter().position(other).map(|at| idle.remove(at));
        }
        idle.push(scratch);
        outputs
    }

    /// Whether pictures of another size than the file's can be run: where nothing but convolutions is done to maps.
    pub(super) fn takes_other_sizes(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Convolve { .. } | Step::Read { .. }))
    }

    /// Maps and numbers for pictures of this size.
    fn scratch(&self, (width, height): (usize, usize)) -> Scratch {
        let (mut plans, mut numbers) = (self.maps.clone(), self.numbers.clone());
        if (plans[0].width, plans[0].height) != (width, height) {
            (plans[0].width, plans[0].height) = (width, height);
            for step in &self.steps {
                match step {
                    Step::Convolve { by, from, to, .. } => {
                        (plans[*to].width, plans[*to].height) =
                            by.shape().output((plans[*from].width, plans[*from].height));
                    }
                    Step::Read { by, from, to } => {
                        let (width, height) = by.shape().output((plans[*from].width, plans[*from].height));
                        numbers[*to] = by.shape().outputs * width * height;
                    }
                    Step::Join { .. }
                    | Step::Pool { .. }
                    | Step::Linear { .. }
                    | Step::Softmax { .. }
                    | Step::Sigmoid { .. } => {}
                }
            }
        }
        let map = |plan: &Plan| Map::new(self.path, plan.width, plan.height, plan.channels, plan.outside);
        Scratch { maps: plans.iter().map(map).collect(), numbers: numbers.iter().map(|n| vec![0.0; *n]).collect() }
    }
}

/// Puts each picture into its map, or all into the only one, one's channels after the other's.
fn show(pictures: &[RgbImage], maps: &mut [Map]) {
    if pictures.len() == maps.len() {
        for (picture, map) in pictures.iter().zip(maps) {
            let row = 3 * map.size().0;
            picture.as_raw().chunks_exact(row).enumerate().for_each(|(y, row)| map.set_row(y, row));
        }
        return;
    }
    let map = &mut maps[0];
    let (width, height) = map.size();
    let row = 3 * width;
    let mut together = vec![0; row * pictures.len()];
    for y in 0..height {
        for (k, picture) in pictures.iter().enumerate() {
            let pixels = picture.as_raw()[y * row..(y + 1) * row].chunks_exact(3);
            for (to, from) in together.chunks_exact_mut(3 * pictures.len()).zip(pixels) {
                to[3 * k..3 * k + 3].copy_from_slice(from);
            }
        }
        map.set_row(y, &together);
    }
}

/// Puts maps of one size into one, one's channels after the other's.
fn join(maps: &mut [Map], from: &[usize], to: usize) {
    let (before, rest) = maps.split_at_mut(to);
    let (width, height) = rest[0].size();
    let mut row = Vec::with_capacity(width * rest[0].channels());
    for y in 0..height {
        row.clear();
        for x in 0..width {
            from.iter().for_each(|at| row.extend(before[*at].pixel(x, y)));
        }
        rest[0].set_row(y, &row);
    }
}

impl Step {
    fn run(&self, scratch: &mut Scratch) {
        let Scratch { maps, numbers } = scratch;
        match self {
            Self::Convolve { by, from, to, add } => {
                // The builder gives every result a map of its own, behind those it is made from.
                let (before, rest) = maps.split_at_mut(*to);
                let residual = add.map(|(at, step)| Residual { map: &before[at], step });
                by.run(&before[*from], residual, &mut rest[0]);
            }
            Self::Join { from, to } => join(maps, from, *to),
            Self::Read { by, from, to } => by.run_to_numbers(&maps[*from], &mut numbers[*to]),
            Self::Pool { weights, from, to } => pool(&maps[*from], weights, &mut numbers[*to]),
            Self::Linear { weights, bias, from, to } => {
                let (before, rest) = numbers.split_at_mut(*to);
                for ((out, weights), bias) in
                    rest[0].iter_mut().zip(weights.chunks_exact(before[*from].len())).zip(bias)
                {
                    *out = bias + weights.iter().zip(&before[*from]).map(|(w, x)| w * x).sum::<f32>();
                }
            }
            Self::Softmax { at } => {
                let most = numbers[*at].iter().copied().fold(f32::NEG_INFINITY, f32::max);
                numbers[*at].iter_mut().for_each(|v| *v = (*v - most).exp());
                let total: f32 = numbers[*at].iter().sum();
                numbers[*at].iter_mut().for_each(|v| *v /= total);
            }
            Self::Sigmoid { at } => numbers[*at].iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        }
    }
}

/// Weighted sums over places.
fn pool(map: &Map, weights: &[f32], to: &mut [f32]) {
    let (width, height) = map.size();
    let places = width * height;
    to.fill(0.0);
    for place in 0..places {
        for (channel, (out, value)) in to.iter_mut().zip(map.pixel(place % width, place / width)).enumerate() {
            *out += weights[channel * places + place] * f32::from(value);
        }
    }
}

struct Builder<'a> {
    graph: &'a GraphProto,
    stored: HashMap<&'a str, &'a TensorProto>,
    /// Nodes that take each name.
    takers: HashMap<&'a str, Vec<usize>>,
    /// Convolution weights by the name under which a convolution takes them.
    weights: HashMap<&'a str, &'a NodeProto>,
    values: HashMap<&'a str, Value>,
    /// Nodes that were folded into an earlier step.
    folded: Vec<bool>,
    scales: std::slice::Iter<'a, f32>,
    net: IntegerNet,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a GraphProto, input: InputFormat, scales: &'a [f32], path: Path) -> Result<Self, Unfit> {
        let mut takers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, node) in graph.node.iter().enumerate() {
            for name in &node.input {
                takers.entry(name).or_default().push(index);
            }
        }
        let mean = input.mean();
        if !(0.0..=255.0).contains(&mean) {
            return Err("the mean of its input is no byte".into());
        }
        // Where each crop has a stem of its own, each has a map of its own.
        let apart = graph.node.iter().any(|node| node.op_type == "Slice");
        let entries = if apart { input.pictures() } else { 1 };
        let picture = Plan {
            width: input.width as usize,
            height: input.height as usize,
            channels: if apart { 3 } else { 3 * input.pictures() },
            outside: mean.round_ties_even() as u8,
        };
        let [entry] = graph.input.as_slice() else { return Err("it has not one input".into()) };
        let net = IntegerNet {
            path,
            entries,
            steps: Vec::new(),
            maps: vec![picture; entries],
            numbers: Vec::new(),
            outputs: Vec::new(),
            shapes: Vec::new(),
            idle: Mutex::default(),
        };
        let (scale, zero) = (1.0 / input.std(), mean);
        let value = if apart { Value::Pictures { scale, zero } } else { Value::Map { at: 0, scale, zero } };
        Ok(Self {
            graph,
            stored: graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect(),
            takers,
            weights: HashMap::new(),
            values: HashMap::from([(entry.name.as_str(), value)]),
            folded: vec![false; graph.node.len()],
            scales: scales.iter(),
            net,
        })
    }

    fn node(&mut self, index: usize) -> Result<(), Unfit> {
        if self.folded[index] {
            return Ok(());
        }
        let node = &self.graph.node[index];
        let [output] = node.output.as_slice() else { return Err(format!("{} has not one output", node.op_type)) };
        match node.op_type.as_str() {
            "DequantizeLinear" => {
                self.weights.insert(output, node);
            }
            "Conv" => self.convolution(node, output)?,
            "Slice" => self.slice(node, output)?,
            "Concat" => self.concat(node, output)?,
            "Flatten" => {
                let Value::Numbers { at, shape } = self.value(node, 0)? else {
                    return Err("a map is flattened".into());
                };
                self.values.insert(output, Value::Numbers { at, shape: vec![1, shape.iter().product()] });
            }
            "Softmax" | "Sigmoid" => {
                let Value::Numbers { at, shape } = self.value(node, 0)? else {
                    return Err("a map meets a sigmoid".into());
                };
                if node.input.first().is_some_and(|name| self.takers_of(name).len() != 1) {
                    return Err("numbers before a sigmoid are used twice".into());
                }
                let softmax = node.op_type == "Softmax";
                self.net.steps.push(if softmax { Step::Softmax { at } } else { Step::Sigmoid { at } });
                self.values.insert(output, Value::Numbers { at, shape });
            }
            other => return Err(format!("it has a node {other}")),
        }
        Ok(())
    }

    fn value(&self, node: &NodeProto, input: usize) -> Result<Value, Unfit> {
        let name = node.input.get(input).ok_or_else(|| format!("{} lacks an input", node.op_type))?;
        self.values
            .get(name.as_str())
            .cloned()
            .ok_or_else(|| format!("{} takes {name:?}, which nothing makes", node.op_type))
    }

    fn takers_of(&self, name: &str) -> &[usize] {
        self.takers.get(name).map_or(&[], Vec::as_slice)
    }

    fn convolution(&mut self, node: &'a NodeProto, output: &'a str) -> Result<(), Unfit> {
        let name = node.input.get(1).ok_or("a convolution lacks weights")?.as_str();
        let Some(dequantized) = self.weights.get(name).copied() else { return self.pool(node, output, name) };
        let weights = self.weights_of(dequantized, node)?;
        let bias = match node.input.get(2) {
            Some(name) => self.floats(name)?,
            None => vec![0.0; weights.shape.outputs],
        };
        if bias.len() != weights.shape.outputs {
            return Err("a bias of another length".into());
        }
        match self.value(node, 0)? {
            Value::Numbers { at, shape } => self.linear(&weights, bias, at, &shape, output),
            Value::Map { at, scale, zero } => self.over_map(&weights, &bias, (at, scale, zero), output),
            Value::Pictures { .. } => Err("a convolution takes crops that others take apart".into()),
        }
    }

    /// One crop's three channels of the input.
    fn slice(&mut self, node: &NodeProto, output: &'a str) -> Result<(), Unfit> {
        let other = || Unfit::from("it has a slice that is no crop of its input");
        let Value::Pictures { scale, zero } = self.value(node, 0)? else { return Err(other()) };
        let [_, starts, ends, axes] = node.input.as_slice() else { return Err(other()) };
        let (start, end, axis) = (self.whole(starts)?, self.whole(ends)?, self.whole(axes)?);
        if axis != 1 || start % 3 != 0 || end.checked_sub(start) != Some(3) {
            return Err(other());
        }
        let at = usize::try_from(start / 3).ok().filter(|at| *at < self.net.entries).ok_or_else(other)?;
        self.values.insert(output, Value::Map { at, scale, zero });
        Ok(())
    }

    /// Maps put together by their channels, where a step means the same in all of them.
    fn concat(&mut self, node: &NodeProto, output: &'a str) -> Result<(), Unfit> {
        let mut from = Vec::new();
        let mut one: Option<(Plan, f32)> = None;
        for input in 0..node.input.len() {
            let Value::Map { at, scale, zero: 0.0 } = self.value(node, input)? else {
                return Err("what is put together is no map".into());
            };
            let plan = self.net.maps[at];
            let (joined, step) = one.get_or_insert((Plan { channels: 0, ..plan }, scale));
            if (joined.width, joined.height) != (plan.width, plan.height) || *step != scale {
                return Err("maps of two sizes or scales are put together".into());
            }
            joined.channels += plan.channels;
            from.push(at);
        }
        let (plan, scale) = one.filter(|_| integer(node, "axis", 0) == 1).ok_or("it puts no maps together")?;
        let to = self.map(Plan { outside: 0, ..plan })?;
        self.net.steps.push(Step::Join { from, to });
        self.values.insert(output, Value::Map { at: to, scale, zero: 0.0 });
        Ok(())
    }

    /// A stored whole number.
    fn whole(&self, name: &str) -> Result<i64, Unfit> {
        let tensor = self.stored.get(name).ok_or("a number that is not stored")?;
        let one = <[u8; 8]>::try_from(bytes(tensor, DataType::Int64)?).map_err(|_| "more than one number")?;
        Ok(i64::from_le_bytes(one))
    }

    fn over_map(
        &mut self,
        weights: &Weights,
        bias: &[f32],
        from: (usize, f32, f32),
        output: &'a str,
    ) -> Result<(), Unfit> {
        let (at, input_scale, input_zero) = from;
        let plan = self.net.maps[at];
        let shape = weights.shape;
        if shape.inputs != plan.channels || shape.window > plan.width || shape.window > plan.height {
            return Err("a convolution of another shape than its input".into());
        }
        let (width, height) = shape.output((plan.width, plan.height));
        let meaning =
            |output_scale| Meaning { weight_scale: &weights.scale, bias, input_scale, input_zero, output_scale };
        let Some((result, added)) = self.rectified(output)? else {
            let by = Convolution::new(self.net.path, shape, &weights.values, meaning(1.0));
            let to = self.numbers(vec![1, shape.outputs, height, width], output);
            self.net.steps.push(Step::Read { by, from: at, to });
            return Ok(());
        };
        let scale = *self.scales.next().ok_or("`activation_scales` in its metadata are missing or too few")?;
        let by = Convolution::new(self.net.path, shape, &weights.values, meaning(scale));
        let to = self.map(Plan { width, height, channels: shape.outputs, outside: 0 })?;
        let add = match added {
            None => None,
            Some(Value::Map { at, scale: step, .. }) => {
                let more = self.net.maps[at];
                if (more.width, more.height, more.channels) != (width, height, shape.outputs) {
                    return Err("maps of two sizes are added".into());
                }
                Some((at, step / scale))
            }
            Some(Value::Numbers { .. } | Value::Pictures { .. }) => return Err("what is added to a map is none".into()),
        };
        self.net.steps.push(Step::Convolve { by, from: at, to, add });
        self.values.insert(result, Value::Map { at: to, scale, zero: 0.0 });
        Ok(())
    }

    /// Whether a convolution's result is rectified, after a sum perhaps: the name of that, and what is added.
    fn rectified(&mut self, output: &str) -> Result<Option<(&'a str, Option<Value>)>, Unfit> {
        let graph = self.graph;
        let only = |name: &str, this: &Self| match this.takers_of(name) {
            [one] => Some(*one),
            _ => None,
        };
        let Some(next) = only(output, self) else { return Ok(None) };
        let node = &graph.node[next];
        match node.op_type.as_str() {
            "Relu" => {
                self.folded[next] = true;
                Ok(node.output.first().map(|name| (name.as_str(), None)))
            }
            "Add" => {
                let other = node.input.iter().position(|name| name != output).ok_or("a map is added to itself")?;
                let added = self.value(node, other)?;
                let sum = node.output.first().ok_or("a sum without a name")?;
                let after =
                    only(sum, self).filter(|k| graph.node[*k].op_type == "Relu").ok_or("a sum without a rectifier")?;
                (self.folded[next], self.folded[after]) = (true, true);
                Ok(graph.node[after].output.first().map(|name| (name.as_str(), Some(added))))
            }
            _ => Ok(None),
        }
    }

    fn pool(&mut self, node: &NodeProto, output: &'a str, name: &str) -> Result<(), Unfit> {
        let Value::Map { at, scale, .. } = self.value(node, 0)? else { return Err("numbers are pooled".into()) };
        let plan = self.net.maps[at];
        let (weights, places) = (self.floats(name)?, plan.width * plan.height);
        let wanted = [plan.channels as i64, 1, plan.height as i64, plan.width as i64];
        let whole = self.stored.get(name).is_some_and(|t| t.dims == wanted)
            && integer(node, "group", 1) == plan.channels as i64;
        if !whole || weights.len() != plan.channels * places || node.input.len() > 2 {
            return Err("it has a convolution with float weights that is no mean over places".into());
        }
        let weights = weights.into_iter().map(|w| w * scale).collect();
        let to = self.numbers(vec![1, plan.channels, 1, 1], output);
        self.net.steps.push(Step::Pool { weights, from: at, to });
        Ok(())
    }

    fn linear(
        &mut self,
        weights: &Weights,
        bias: Vec<f32>,
        from: usize,
        shape: &[usize],
        output: &'a str,
    ) -> Result<(), Unfit> {
        if weights.shape.window != 1 || shape != [1, weights.shape.inputs, 1, 1] {
            return Err("a linear layer of another shape than its input".into());
        }
        let rows = weights.values.chunks_exact(weights.shape.inputs).zip(&weights.scale);
        let weights_ = rows.flat_map(|(row, scale)| row.iter().map(move |w| f32::from(*w) * scale)).collect();
        let to = self.numbers(vec![1, weights.shape.outputs, 1, 1], output);
        self.net.steps.push(Step::Linear { weights: weights_, bias, from, to });
        Ok(())
    }

    /// A place for one more map, where that does not take more memory than all may.
    fn map(&mut self, plan: Plan) -> Result<usize, Unfit> {
        let maps = &mut self.net.maps;
        maps.push(plan);
        let bytes: usize = maps.iter().map(|m| (m.width + 2) * (m.height + 2) * m.channels.next_multiple_of(4)).sum();
        if bytes > MOST_BYTES {
            return Err(format!("its maps take more than {MOST_BYTES} bytes"));
        }
        Ok(maps.len() - 1)
    }

    fn numbers(&mut self, shape: Vec<usize>, name: &'a str) -> usize {
        let at = self.net.numbers.len();
        self.net.numbers.push(shape.iter().product());
        self.values.insert(name, Value::Numbers { at, shape });
        at
    }

    fn weights_of(&self, dequantized: &NodeProto, node: &NodeProto) -> Result<Weights, Unfit> {
        let [values, scale, zero] = dequantized.input.as_slice() else {
            return Err("weights without a zero point".into());
        };
        let tensor = self.stored.get(values.as_str()).ok_or("weights that are not stored")?;
        let [outputs, inputs, high, wide] = sizes(tensor)?;
        let scale = self.floats(scale)?;
        let pads = integers(node, "pads");
        let strides = integers(node, "strides");
        let border = if high == 3 { 1 } else { 0 };
        let plain = high == wide
            && integer(node, "group", 1) == 1
            && pads.iter().all(|p| *p == border)
            && (pads.len() == 4 || border == 0)
            && strides.iter().all(|s| Some(s) == strides.first() && (1..=4).contains(s))
            && integers(node, "dilations").iter().all(|d| *d == 1);
        if !plain {
            return Err(
                "it has a convolution of another kind than 1x1, 3x3 with a border of 1, or one without a border".into(),
            );
        }
        let values: Vec<i8> = bytes(tensor, DataType::Int8)?.iter().map(|b| b.cast_signed()).collect();
        let zero = self.stored.get(zero.as_str()).ok_or("a zero point that is not stored")?;
        if bytes(zero, DataType::Int8)?.iter().any(|z| *z != 0) || values.contains(&i8::MIN) {
            return Err("its weights are not symmetric".into());
        }
        if values.len() != outputs * inputs * high * wide || scale.len() != outputs {
            return Err("weights of another length than their shape".into());
        }
        let stride = strides.first().map_or(1, |s| usize::try_from(*s).unwrap_or(1));
        Ok(Weights { values, scale, shape: Shape { outputs, inputs, window: high, stride } })
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, Unfit> {
        let tensor = self.stored.get(name).ok_or("numbers that are not stored")?;
        let raw = bytes(tensor, DataType::Float)?;
        let values: Vec<f32> = raw.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if values.iter().all(|v| v.is_finite()) { Ok(values) } else { Err("it holds a number that is none".into()) }
    }

    fn finish(mut self) -> Result<IntegerNet, Unfit> {
        if self.scales.next().is_some() {
            return Err("`activation_scales` in its metadata are too many".into());
        }
        for output in &self.graph.output {
            let Some(Value::Numbers { at, shape }) = self.values.get(output.name.as_str()) else {
                return Err(format!("its output {:?} is not made of numbers", output.name));
            };
            self.net.outputs.push(*at);
            self.net.shapes.push(shape.clone());
        }
        Ok(self.net)
    }
}

/// Four sizes, each from 1 to 4096.
fn sizes(tensor: &TensorProto) -> Result<[usize; 4], Unfit> {
    let sizes: Vec<usize> = tensor.dims.iter().filter(|d| (1..=4096).contains(*d)).map(|d| *d as usize).collect();
    <[usize; 4]>::try_from(sizes).map_err(|_| "weights of another rank than a convolution's".into())
}

fn bytes(tensor: &TensorProto, kind: DataType) -> Result<&[u8], Unfit> {
    if tensor.data_type != kind as i32 {
        return Err(format!("{:?} is not stored as {kind:?}", tensor.name));
    }
    Ok(&tensor.raw_data)
}

fn integers(node: &NodeProto, name: &str) -> Vec<i64> {
    node.attribute.iter().find(|a| a.name == name).map_or_else(Vec::new, |a| a.ints.clone())
}

fn integer(node: &NodeProto, name: &str, otherwise: i64) -> i64 {
    node.attribute.iter().find(|a| a.name == name).map_or(otherwise, |a| a.i)
}
