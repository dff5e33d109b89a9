//! Label selectors as flags write them (k8s.io/apimachinery: labels.Parse), as the objects that settings hold.

use prometheus_operator_receiver::kube::selector::Selector;
use prometheus_operator_receiver::kube::types::meta::{LabelSelector, LabelSelectorRequirement};

/// `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, separated by commas.
///
/// # Errors
/// It is malformed, or names no possible label.
pub(crate) fn parse(text: &str) -> Result<LabelSelector, String> {
    let mut selector = LabelSelector::default();
    for part in parts(text) {
        let (key, operator, values) = requirement(part)?;
        possible(part, &key, operator, &values)?;
        if operator == "=" {
            let value = values.into_iter().next().unwrap_or_default();
            if let Some(other) = selector.match_labels.insert(key.clone(), value) {
                return Err(format!("{key} is already to be {other}"));
            }
            continue;
        }
        selector.match_expressions.push(LabelSelectorRequirement {
            key,
            operator: operator.to_owned(),
            values,
        });
    }
    Ok(selector)
}

/// Kubernetes says the same at length.
fn possible(part: &str, key: &str, operator: &str, values: &[String]) -> Result<(), String> {
    let one = LabelSelectorRequirement {
        key: key.to_owned(),
        operator: if operator == "=" { "In" } else { operator }.to_owned(),
        values: values.to_vec(),
    };
    let selector = LabelSelector {
        match_expressions: vec![one],
        ..LabelSelector::default()
    };
    Selector::new(&selector).map(drop).map_err(|_| {
        format!(
            "{part:?}: labels are expected as in team=a,env in (x,y),!old: names and values of at most 63 letters, digits, -, _ and ."
        )
    })
}

/// Splits at commas outside parentheses.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    let parts = text.split(move |letter| {
        inside = letter == '(' || inside && letter != ')';
        letter == ',' && !inside
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn requirement(part: &str) -> Result<(String, &'static str, Vec<String>), String> {
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((head, list)) = part.split_once('(') {
        let list = list
            .strip_suffix(')')
            .ok_or_else(|| format!("{part:?}: ) is missing"))?;
        let values = list
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        return match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            [key, "in"] => Ok(((*key).to_owned(), "In", values)),
            [key, "notin"] => Ok(((*key).to_owned(), "NotIn", values)),
            _ => Err(format!(
                "{part:?}: LABEL in (…) or LABEL notin (…) is expected"
            )),
        };
    }
    Ok(
        match (
            part.strip_prefix('!'),
            part.split_once("!="),
            part.split_once('='),
        ) {
            (Some(key), _, _) => (key.trim().to_owned(), "DoesNotExist", Vec::new()),
            (None, Some((key, value)), _) => (key.trim().to_owned(), "NotIn", one(value)),
            (None, None, Some((key, value))) => {
                let value = value.strip_prefix('=').unwrap_or(value);
                (key.trim().to_owned(), "=", one(value))
            }
            (None, None, None) => (part.to_owned(), "Exists", Vec::new()),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<&str, &str>) {
        let got =
            parse(text).and_then(|found| Selector::new(&found).map_err(|err| err.to_string()));
        match want {
            Ok(want) => assert_eq!(got.unwrap().to_string(), want, "{text}"),
            Err(want) => assert!(
                got.clone().is_err_and(|err| err.contains(want)),
                "{text}: {got:?}"
            ),
        }
    }

    #[test]
    fn selectors() {
        check("", Ok(""));
        check("a=b", Ok("a=b"));
        check("a==b, c = d", Ok("a=b,c=d"));
        check("a!=b", Ok("a notin (b)"));
        check(
            "x, !y,a in (b, c),z notin (d)",
            Ok("a in (b,c),x,!y,z notin (d)"),
        );
        check("example.org/team=a", Ok("example.org/team=a"));
        check("a=", Ok("a="));
        check("a=b,a=c", Err("a is already to be b"));
        check("a in (b", Err(") is missing"));
        check("a within (b)", Err("is expected"));
        check("in (b)", Err("is expected"));
        check("a b", Err("labels are expected as"));
        check("a=b=c", Err("\"a=b=c\": labels are expected as"));
        check("=b", Err("labels are expected as"));
    }
}
