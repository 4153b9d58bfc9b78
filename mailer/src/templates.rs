//! What mails say: a subject, a text and an HTML template for each message and language, compiled into the binary.

use crate::Error;
use hansa_schema::mail::Message;
use minijinja::{Environment, context};

/// A mail's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

const LANGUAGES: [&str; 2] = ["en", "ru"];
const SOURCES: [(&str, &str); 6] = [
    ("welcome.en.subject", include_str!("../templates/welcome.en.subject")),
    ("welcome.en.txt", include_str!("../templates/welcome.en.txt")),
    ("welcome.en.html", include_str!("../templates/welcome.en.html")),
    ("welcome.ru.subject", include_str!("../templates/welcome.ru.subject")),
    ("welcome.ru.txt", include_str!("../templates/welcome.ru.txt")),
    ("welcome.ru.html", include_str!("../templates/welcome.ru.html")),
];

/// The compiled templates. Those named `.html` escape what they are filled with.
pub(crate) fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    for (name, source) in SOURCES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// The language of an RFC 5646 tag, where there are templates in it; English otherwise.
fn language(locale: &str) -> &'static str {
    let primary = locale.split(['-', '_']).next().unwrap_or_default().to_lowercase();
    LANGUAGES.into_iter().find(|language| *language == primary).unwrap_or("en")
}

/// Fills in a message's templates.
pub(crate) fn render(
    environment: &Environment<'_>,
    message: &Message,
    locale: &str,
    product_name: &str,
    public_url: &str,
) -> Result<Rendered, Error> {
    let (name, values) = match message {
        Message::Welcome { display_name, username } => {
            ("welcome", context! { display_name, username, product_name, public_url })
        }
    };
    let language = language(locale);
    let part = |kind: &str| environment.get_template(&format!("{name}.{language}.{kind}"))?.render(&values);
    let subject = part("subject")?.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Rendered { subject, text: part("txt")?, html: part("html")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome(locale: &str, display_name: &str) -> Rendered {
        let message = Message::Welcome { display_name: display_name.into(), username: "ann".into() };
        render(&environment().unwrap(), &message, locale, "Hansa", "https://hansa.example").unwrap()
    }

    #[test]
    fn language_follows_the_locale() {
        assert_eq!(welcome("ru-RU", "Анна").subject, "Добро пожаловать в Hansa, Анна!");
        assert_eq!(welcome("en", "Ann").subject, "Welcome to Hansa, Ann!");
        assert_eq!(welcome("de-AT", "Ann").subject, "Welcome to Hansa, Ann!");
    }

    #[test]
    fn names_cannot_inject_markup_or_headers() {
        let mail = welcome("en", "<b>x</b>\r\nBcc: a@b.example");
        assert!(!mail.subject.contains('\n'));
        assert!(!mail.html.contains("<b>x"));
        assert!(mail.html.contains("&lt;b&gt;"));
    }
}
