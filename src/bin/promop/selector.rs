//! Label selectors as flags write them, as the objects that settings hold.

use prometheus_operator_receiver::kube::types::meta::{RequirementSpec, SelectorSpec};
use prometheus_operator_receiver::model::selector::{LabelSelector, Operator};

/// Reads a selector of a flag.
///
/// # Errors
/// It is malformed, or an object cannot say the same.
pub(crate) fn parse(text: &str) -> Result<SelectorSpec, String> {
    spec(text).map_err(|what| {
        format!("{what}; labels are expected as in team=a,env in (x,y),!old: names and values of at most 63 letters, digits, -, _ and .")
    })
}

fn spec(text: &str) -> Result<SelectorSpec, String> {
    let mut spec = SelectorSpec::default();
    for requirement in LabelSelector::parse(text)?.requirements() {
        let (key, values) = (requirement.key.clone(), requirement.values.clone());
        let operator = match requirement.operator {
            Operator::Equals => {
                let value = values.into_iter().next().unwrap_or_default();
                match spec.match_labels.insert(key, value) {
                    None => continue,
                    Some(other) => {
                        return Err(format!("{} is already to be {other}", requirement.key));
                    }
                }
            }
            Operator::NotEquals | Operator::NotIn => "NotIn",
            Operator::In => "In",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
            Operator::Greater | Operator::Less => {
                return Err(format!("{requirement}: numbers are not compared here"));
            }
        };
        spec.match_expressions.push(RequirementSpec {
            key,
            operator: operator.to_owned(),
            values,
        });
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<&str, &str>) {
        let got = parse(text).and_then(|found| found.to_selector());
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
        check("a>1", Err("a>1: numbers are not compared here"));
        check("a in (b", Err("found the end, want ',' or ')'"));
        check("a within (b)", Err("found \"within\""));
        check("a b", Err("labels are expected as"));
        check("a=b=c", Err("found \"=\", want ',' or the end"));
        check("=b", Err("want a label name or '!'"));
    }
}
