//! Lists within a text: `cost-model:alpha={0.1,1}` is two texts.

/// The most texts that one becomes.
const MOST: usize = 10_000;

/// Each text that a choice from every list gives, those of the first list outermost. A text without
/// lists gives itself.
///
/// # Errors
///
/// If braces don't match or are nested, or there are more than ten thousand texts.
pub(super) fn expand(text: &str) -> Result<Vec<String>, String> {
    let mut texts = vec![String::new()];
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, list) = rest.split_at(at);
        let end = list.find('}').filter(|_| list.starts_with('{'));
        let Some(end) = end else {
            return Err(format!("the braces of `{text}` don't match"));
        };
        let choices = &list[1..end];
        if choices.contains('{') {
            return Err(format!("the lists of `{text}` are nested"));
        }
        let choices: Vec<&str> = choices.split(',').map(str::trim).collect();
        if texts.len() * choices.len() > MOST {
            return Err(format!("`{text}` is more than {MOST} texts"));
        }
        let longer = |text: &String, choice: &&str| format!("{text}{before}{choice}");
        texts = texts
            .iter()
            .flat_map(|text| choices.iter().map(move |choice| longer(text, choice)))
            .collect();
        rest = &list[end + 1..];
    }
    texts.iter_mut().for_each(|text| text.push_str(rest));
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_multiplied_out() {
        assert_eq!(expand("never").unwrap(), ["never"]);
        assert_eq!(expand("a={1,2}").unwrap(), ["a=1", "a=2"]);
        assert_eq!(
            expand("p:a={1, 2}:b={x,y}!").unwrap(),
            ["p:a=1:b=x!", "p:a=1:b=y!", "p:a=2:b=x!", "p:a=2:b=y!"]
        );
        for wrong in ["a={1", "a=1}", "{a,{b}}"] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
        let many = "{1,2,3,4,5,6,7,8,9,10}".repeat(5);
        assert!(expand(&many).unwrap_err().ends_with("10000 texts"));
    }
}
