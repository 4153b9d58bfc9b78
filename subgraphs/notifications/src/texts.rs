//! The words of notifications, a function per kind, in the languages that accounts can have.

use crate::domain::Text;

/// A language that there are texts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Russian,
}

impl Language {
    /// The language of an account's locale (RFC 5646); English where there are no texts in it.
    pub(crate) fn of(locale: &str) -> Self {
        match locale.split(['-', '_']).next() {
            Some(primary) if primary.eq_ignore_ascii_case("ru") => Self::Russian,
            _ => Self::English,
        }
    }
}

/// Greets a new user.
pub(crate) fn welcome(language: Language, display_name: &str) -> Text {
    let (title, body) = match language {
        Language::English => (
            format!("Welcome, {display_name}!"),
            "Your account is ready. Write your **first post**: everybody can read it, and only you can change it.\n\n\
             What happens on your account appears here at once, in every window that you have open.",
        ),
        Language::Russian => (
            format!("Добро пожаловать, {display_name}!"),
            "Учётная запись готова. Напишите **первую заметку**: прочитать её сможет каждый, а изменить — только вы.\n\n\
             Всё, что вас касается, сразу появляется здесь, в каждом открытом окне.",
        ),
    };
    Text { title, body: Some(body.to_owned()) }
}

/// Tells that somebody asks for one's friendship.
pub(crate) fn friendship_requested(language: Language, name: &str) -> Text {
    title(match language {
        Language::English => format!("{name} asks for your friendship"),
        Language::Russian => format!("{name} хочет добавить вас в друзья"),
    })
}

/// Tells that somebody whom one asked is a friend now.
pub(crate) fn friendship_accepted(language: Language, name: &str) -> Text {
    title(match language {
        Language::English => format!("{name} is your friend now"),
        Language::Russian => format!("{name} теперь у вас в друзьях"),
    })
}

/// Tells that somebody follows one.
pub(crate) fn followed(language: Language, name: &str) -> Text {
    title(match language {
        Language::English => format!("{name} follows you now"),
        Language::Russian => format!("{name} теперь читает вас"),
    })
}

/// Tells that somebody has written to one.
pub(crate) fn message_received(language: Language, name: &str) -> Text {
    title(match language {
        Language::English => format!("{name} has written to you"),
        Language::Russian => format!("{name} пишет вам"),
    })
}

/// Stands for the name of somebody of whom none is known yet, at the beginning of a sentence.
pub(crate) fn somebody(language: Language) -> &'static str {
    match language {
        Language::English => "Somebody new",
        Language::Russian => "Новый пользователь",
    }
}

fn title(title: String) -> Text {
    Text { title, body: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_has_a_language() {
        for locale in ["ru", "ru-RU", "RU", "ru_RU"] {
            assert_eq!(Language::of(locale), Language::Russian);
        }
        for locale in ["en", "en-GB", "de", "rue", ""] {
            assert_eq!(Language::of(locale), Language::English);
        }
    }
}
