//! Bytes that decide: each is a decision, and those that are missing decide for what is first.

pub struct Bytes<'b>(pub &'b [u8]);

impl Bytes<'_> {
    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % bound
    }

    /// Whether something happens that does so once in as many cases.
    pub fn once_in(&mut self, cases: usize) -> bool {
        self.below(cases) == cases - 1
    }

    /// One of these, if there are any.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.below(of.len())].clone()) }
    }
}
