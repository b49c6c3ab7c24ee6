//! Escaping of text for HTML and SVG.

/// The text, escaped for element content and for attribute values in double quotes.
///
/// Control characters, which neither may contain, become spaces.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The beginning of a text, with an ellipsis if there is more.
pub fn shorten(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escape("<a href=\"x\">'&'\0</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39; &lt;/a&gt;"
        );
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(shorten("größer", 6), "größer");
        assert_eq!(shorten("größer als", 7), "größer…");
    }
}
