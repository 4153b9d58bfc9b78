//! People and texts, the same in every run.

use chrono::{DateTime, Duration, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::{Builder, Uuid};

/// Words of each language.
pub const VOCABULARY: u32 = 30_000;
/// The time between two posts, in seconds: a million fill most of a year.
const PACE: i64 = 30;

/// A language of posts: what its words are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Language {
    consonants: [char; 20],
    vowels: [char; 5],
    endings: [&'static str; 4],
}

pub const RUSSIAN: Language = Language {
    consonants: ['б', 'в', 'г', 'д', 'ж', 'з', 'к', 'л', 'м', 'н', 'п', 'р', 'с', 'т', 'ф', 'х', 'ц', 'ч', 'ш', 'щ'],
    vowels: ['а', 'е', 'и', 'о', 'у'],
    endings: ["", "ы", "ом", "ами"],
};
pub const ENGLISH: Language = Language {
    consonants: ['b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z'],
    vowels: ['a', 'e', 'i', 'o', 'u'],
    endings: ["", "s", "ing", "ed"],
};

impl Language {
    /// The word of a rank, from 0 for the most frequent, in one of its forms.
    pub fn word(&self, rank: u32, form: usize) -> String {
        let mut word = String::new();
        let mut rest = rank as usize;
        for _ in 0..3 {
            let syllable = rest % 100;
            word.extend([self.consonants[syllable / 5], self.vowels[syllable % 5]]);
            rest /= 100;
        }
        word.push(self.consonants[rank as usize % 20]);
        word + self.endings[form % 4]
    }

    /// A word by Zipf's law: the second is half as frequent as the first, the third a third.
    fn any_word(&self, random: &mut StdRng) -> String {
        let rank = f64::from(VOCABULARY).powf(random.random::<f64>()) - 1.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the vocabulary")]
        self.word(rank as u32, random.random_range(0..4))
    }
}

/// A post to be.
#[derive(Debug)]
pub struct Post {
    pub id: Uuid,
    pub author_id: Uuid,
    pub body: String,
    pub visibility: &'static str,
    pub created_at: DateTime<Utc>,
}

pub fn random(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// The id of the user of this number.
pub fn user(number: u32) -> Uuid {
    id(begin() - Duration::seconds(i64::from(u32::MAX - number)), u64::from(number))
}

/// When the first post was written.
pub fn begin() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_423) // 2025-12-01
}

/// The id of the post of this number.
pub fn post(number: u32) -> Uuid {
    id(written_at(number), u64::from(number) | 1 << 40)
}

fn written_at(number: u32) -> DateTime<Utc> {
    begin() + Duration::seconds(PACE * i64::from(number))
}

fn id(time: DateTime<Utc>, number: u64) -> Uuid {
    let mut rest = [0; 10];
    rest[2..].copy_from_slice(&number.to_be_bytes());
    Builder::from_unix_timestamp_millis(time.timestamp_millis().unsigned_abs(), &rest).into_uuid()
}

/// The post of this number: one of `users` writes 8 to 40 words of one language, most often for everybody. Users of low
/// numbers write more.
pub fn write(number: u32, users: u32, random: &mut StdRng) -> Post {
    let language = if random.random_bool(0.5) { RUSSIAN } else { ENGLISH };
    let words: Vec<String> = (0..random.random_range(8..=40)).map(|_| language.any_word(random)).collect();
    let visibility = match random.random_range(0..20) {
        0 => "private",
        1 => "friends",
        2 | 3 => "followers",
        _ => "public",
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the number of users")]
    let author = (random.random::<f64>().powi(2) * f64::from(users)) as u32;
    let (id, created_at) = (post(number), written_at(number));
    Post { id, author_id: user(author), body: words.join(" "), visibility, created_at }
}
