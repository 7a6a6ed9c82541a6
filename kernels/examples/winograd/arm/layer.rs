//! The layer that all variants compute, and the plain convolution.

pub struct Layer {
    pub channels: usize,
    pub width: usize,
    pub height: usize,
    /// `[channels, height, width]`, a byte each.
    pub input: Vec<u8>,
    /// `[outputs, inputs, 3, 3]`.
    pub weights: Vec<i8>,
    /// What a step of the weights counts: results are about as large as inputs.
    pub step: f32,
    pub bias: Vec<f32>,
}

/// What a step of the input counts: it goes from 0 to 1.
pub const INPUT_STEP: f32 = 1.0 / 255.0;

impl Layer {
    /// The layer with these weights. The rest looks random and is always the same.
    pub fn new(channels: usize, width: usize, height: usize, weights: Vec<i8>) -> Self {
        assert_eq!(weights.len(), channels * channels * 9, "weights of the layer");
        let squares = weights.iter().map(|w| f32::from(*w).powi(2)).sum::<f32>();
        let mut numbers = numbers();
        let input = numbers.by_ref().take(channels * width * height).map(|n| (n >> 24) as u8).collect();
        let bias = numbers.take(channels).map(|n| (n >> 24) as f32 * INPUT_STEP - 0.5).collect();
        Self { channels, width, height, input, weights, step: (channels as f32 / squares).sqrt(), bias }
    }

    pub fn byte(&self, output: usize, input: usize, row: usize, column: usize) -> i8 {
        self.weights[((output * self.channels + input) * 3 + row) * 3 + column]
    }

    pub fn weight(&self, output: usize, input: usize, row: usize, column: usize) -> f32 {
        f32::from(self.byte(output, input, row, column)) * self.step
    }

    /// A weight after `G g G'`, at one of the 16 places, in quarters of a step: a whole number.
    pub fn transformed(&self, output: usize, input: usize, place: usize) -> i16 {
        const TWICE_G: [[i16; 3]; 4] = [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]];
        let product = |(_, row, column): (usize, usize, usize)| {
            TWICE_G[place / 4][row] * i16::from(self.byte(output, input, row, column)) * TWICE_G[place % 4][column]
        };
        places(1, 3, 3).map(product).sum()
    }

    /// All `(channel, y, x)` of a map.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        places(self.channels, self.width, self.height)
    }

    /// The result of the plain convolution, summed in double precision.
    pub fn plain(&self) -> Vec<f32> {
        let value = |(output, y, x): (usize, usize, usize)| {
            let mut sum = f64::from(self.bias[output]);
            for (input, row, column) in places(self.channels, 3, 3) {
                let (y, x) = (y + row, x + column);
                if (1..=self.height).contains(&y) && (1..=self.width).contains(&x) {
                    let value = f32::from(self.input[(input * self.height + y - 1) * self.width + x - 1]) * INPUT_STEP;
                    sum += f64::from(value) * f64::from(self.weight(output, input, row, column));
                }
            }
            sum.max(0.0) as f32
        };
        self.places().map(value).collect()
    }
}

fn places(channels: usize, width: usize, height: usize) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
    (0..channels * width * height).map(move |k| (k / (width * height), k / width % height, k % width))
}

/// Marsaglia's xorshift.
fn numbers() -> impl Iterator<Item = u32> {
    let next = |state: &u32| {
        let a = state ^ state << 13;
        let b = a ^ a >> 17;
        Some(b ^ b << 5)
    };
    std::iter::successors(Some(2_463_534_242), next)
}
