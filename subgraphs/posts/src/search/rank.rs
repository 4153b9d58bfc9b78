//! Whether a post matches, and how well.

use super::query::Query;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

/// How soon more of the same word stops to count: `k1` of BM25.
const SATURATION: f64 = 1.2;
/// How much longer texts need more of it: `b` of BM25.
const LENGTH: f64 = 0.5;
/// A text of usual length, in words. BM25 takes the mean of the corpus, which would tell of posts that the caller may not
/// read; for that reason words do not count by their rarity either.
const USUAL: f64 = 40.0;

/// The place of a post among those that match: the better ones first, and among equals the later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(crate) struct Rank {
    /// In millionths, so that a cursor holds it exactly.
    pub(super) score: u32,
    pub(super) id: Uuid,
}

impl Rank {
    /// How well the post matches, from 0 up.
    pub(crate) fn score(self) -> f64 {
        f64::from(self.score) / 1e6
    }
}

/// A query, prepared to judge many texts.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    query: &'a Query,
    /// The words that are wanted, numbered.
    words: HashMap<&'a str, usize>,
    /// Words that follow each other in the query, by their numbers: where they do so in a text too, it matches better.
    pairs: Vec<(usize, usize)>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        let mut words = HashMap::new();
        let order: Vec<usize> = query
            .wanted
            .iter()
            .flatten()
            .map(|stem| {
                let next = words.len();
                *words.entry(stem.as_str()).or_insert(next)
            })
            .collect();
        let mut pairs: Vec<_> = order.windows(2).map(|pair| (pair[0], pair[1])).collect();
        pairs.sort_unstable();
        pairs.dedup();
        Self { query, words, pairs }
    }

    /// The score of a text, given by its stems, in millionths; `None` when it does not match.
    ///
    /// It is the sum over words and pairs of `f · (k1 + 1) / (f + k1 · (1 − b + b · length / usual))`, where `f` is how
    /// often the text has them (Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009).
    pub(super) fn score(&self, stems: &str) -> Option<u32> {
        let stems: Vec<&str> = stems.split(' ').collect();
        let (wanted, excluded) = (&self.query.wanted, &self.query.excluded);
        if !wanted.iter().all(|phrase| has(&stems, phrase)) || excluded.iter().any(|phrase| has(&stems, phrase)) {
            return None;
        }
        let mut counts = vec![0_u32; self.words.len() + self.pairs.len()];
        let mut last = None;
        for stem in &stems {
            let word = self.words.get(stem).copied();
            if let Some(word) = word {
                counts[word] += 1;
                if let Some(pair) = last.and_then(|last| self.pairs.binary_search(&(last, word)).ok()) {
                    counts[self.words.len() + pair] += 1;
                }
            }
            last = word;
        }
        let length = f64::from(u32::try_from(stems.len()).unwrap_or(u32::MAX));
        let slowness = SATURATION * (1.0 - LENGTH + LENGTH * length / USUAL);
        let parts = counts.into_iter().map(f64::from).map(|count| count * (SATURATION + 1.0) / (count + slowness));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2.2 for each of 63 parts")]
        Some((parts.sum::<f64>() * 1e6).round() as u32)
    }
}

fn has(stems: &[&str], phrase: &[String]) -> bool {
    stems.windows(phrase.len()).any(|window| window == phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(query: &str, stems: &str) -> Option<u32> {
        Judge::new(&Query::parse(query).unwrap()).score(stems)
    }

    #[test]
    fn more_closer_and_shorter_is_better() {
        let filler = " x".repeat(100);
        for (query, better, worse) in [
            ("salt", "salt salt y", "salt x y"),
            ("salt", "salt", &*format!("salt{filler}")),
            ("salt ship", "salt ship x", "salt x ship"),
            ("salt ship", "salt ship x", "ship salt x"),
            ("a b c", "a b c x", "a b x c"),
        ] {
            assert!(score(query, better) > score(query, worse), "{query}: {better} | {worse}");
        }
    }

    #[test]
    fn all_that_is_wanted_and_nothing_excluded() {
        assert_eq!(score("a b", "a x"), None);
        assert_eq!(score(r#""a b c""#, "a b x b c"), None);
        assert!(score(r#""a b c""#, "a b a b c").is_some());
        assert_eq!(score("a -b", "a b"), None);
        assert!(score(r#"a -"b c d""#, "a b c x c d").is_some());
        assert_eq!(score(r#"a -"b c d""#, "a b c d"), None);
        assert_eq!(score("a", ""), None);
    }

    #[test]
    fn the_most_wanted_text_has_a_score() {
        let words: Vec<_> = (0..32).map(|n| n.to_string()).collect();
        let text = words.join(" ");
        let score = score(&text, &vec![text.as_str(); 300].join(" ")).unwrap();
        assert!(score > 60_000_000 && score < 2_200_000 * 63, "{score}");
    }
}
