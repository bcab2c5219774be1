//! The matrix of kernel values that a support-vector classifier is fitted to.

/// A symmetric matrix of kernel values.
#[derive(Debug, Clone)]
pub struct Gram {
    size: usize,
    values: Vec<f64>,
    /// Apart from the rest, because every step reads all of it.
    diagonal: Vec<f64>,
}

impl Gram {
    /// Fills the matrix from its lower triangle. Takes 8·size² bytes: 32 MB for 2000 samples.
    pub fn new(size: usize, kernel: impl Fn(usize, usize) -> f64) -> Self {
        let mut values = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..=row {
                let value = kernel(row, column);
                values[row * size + column] = value;
                values[column * size + row] = value;
            }
        }
        let diagonal = values.iter().step_by(size + 1).copied().collect();
        Self { size, values, diagonal }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.size..(index + 1) * self.size]
    }

    pub fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    /// The matrix of the chosen samples alone.
    pub fn among(&self, chosen: &[usize]) -> Self {
        let row = |index: usize| chosen.iter().map(move |column| self.row(index)[*column]);
        Self {
            size: chosen.len(),
            values: chosen.iter().flat_map(|index| row(*index)).collect(),
            diagonal: chosen.iter().map(|index| self.diagonal[*index]).collect(),
        }
    }
}
