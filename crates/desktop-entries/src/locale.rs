//! The languages of the user, as the keys of a desktop file name them.

use std::env;

/// What the environment of this process says: `LANGUAGE`, then the first of `LC_ALL`,
/// `LC_MESSAGES` and `LANG` that is set.
#[must_use]
pub fn of_environment() -> Vec<String> {
    let value = |name| {
        env::var(name)
            .ok()
            .filter(|value: &String| !value.is_empty())
    };
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(value);
    locales(
        &value("LANGUAGE").unwrap_or_default(),
        &locale.unwrap_or_default(),
    )
}

/// The locales to look for, the best first. With `locale` `C` the list `language` does not count.
fn locales(language: &str, locale: &str) -> Vec<String> {
    let is_plain =
        |locale: &str| ["", "C", "POSIX"].contains(&locale.split('.').next().unwrap_or_default());
    let language = if is_plain(locale) { "" } else { language };
    let wanted = language.split(':').chain([locale]);
    wanted
        .filter(|locale| !is_plain(locale))
        .flat_map(variants)
        .collect()
}

/// `lang_COUNTRY@MODIFIER`, `lang_COUNTRY`, `lang@MODIFIER`, `lang`: as many of them as there are.
fn variants(locale: &str) -> Vec<String> {
    let (locale, modifier) = locale.split_once('@').unwrap_or((locale, ""));
    let locale = locale.split('.').next().unwrap_or_default();
    let language = locale.split('_').next().unwrap_or_default();
    let mut variants = Vec::new();
    for plain in [locale, language] {
        if !modifier.is_empty() {
            variants.push(format!("{plain}@{modifier}"));
        }
        variants.push(plain.to_owned());
    }
    variants.dedup();
    variants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_specific_comes_first() {
        assert_eq!(
            locales("", "sr_RS.UTF-8@latin"),
            ["sr_RS@latin", "sr_RS", "sr@latin", "sr"]
        );
        assert_eq!(locales("de:fr", "en_US.UTF-8"), ["de", "fr", "en_US", "en"]);
        for plain in ["", "C", "POSIX", "C.UTF-8"] {
            assert_eq!(locales("de", plain), [""; 0]);
        }
    }
}
