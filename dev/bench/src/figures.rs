//! The runs of several rounds: median, spread, ratios.

/// Figures of the same thing, one for each round.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    sorted: Vec<f64>,
}

impl Figures {
    /// At least one figure.
    pub(crate) fn new(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        assert!(!sorted.is_empty(), "there was a round");
        Self { sorted }
    }

    /// `ours / theirs`, round by round: what slows the machine down slows both sides of a round.
    pub(crate) fn ratios(ours: &[f64], theirs: &[f64]) -> Self {
        Self::new(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
    }

    /// Half of the figures are below, half above.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(1, 2)
    }

    /// From the first quartile to the third: half of the rounds lie that close together.
    pub(crate) fn spread(&self) -> f64 {
        self.quantile(3, 4) - self.quantile(1, 4)
    }

    /// The figure below which `part` of `whole` are, between two of them by linear interpolation.
    fn quantile(&self, part: usize, whole: usize) -> f64 {
        let (steps, last) = ((self.sorted.len() - 1) * part, self.sorted.len() - 1);
        let (below, rest) = (steps / whole, steps % whole);
        let (low, high) = (self.sorted[below], self.sorted[(below + 1).min(last)]);
        low + (high - low) * (rest as f64 / whole as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_are_not_moved_by_one_bad_round() {
        let figures = Figures::new([5.0, 1.0, 900.0, 3.0, 4.0]);
        assert_eq!((figures.median(), figures.spread()), (4.0, 2.0));
    }

    #[test]
    fn between_two_figures_the_median_is_halfway() {
        let figures = Figures::new([4.0, 1.0]);
        assert_eq!((figures.median(), figures.spread()), (2.5, 1.5));
        assert_eq!(Figures::new([7.0]).median(), 7.0);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let figures = Figures::ratios(&[1.0, 20.0, 3.0], &[2.0, 40.0, 6.0]);
        assert_eq!((figures.median(), figures.spread()), (0.5, 0.0));
    }
}
