//! The formats that targets are asked for (prometheus: config/config.go, ScrapeProtocol).

use super::decode::{Decoder, Result, Shape};
use crate::model::quote::quoted;
use crate::wire::yaml::Node;

/// A format that a target may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// `PrometheusProto`: delimited protobuf.
    PrometheusProto,
    /// `PrometheusText0.0.4`.
    PrometheusText0_0_4,
    /// `PrometheusText1.0.0`.
    PrometheusText1_0_0,
    /// `OpenMetricsText0.0.1`.
    OpenMetricsText0_0_1,
    /// `OpenMetricsText1.0.0`.
    OpenMetricsText1_0_0,
    /// `OpenMetricsText2.0.0`: may be asked for, is not understood (as upstream 3.15).
    OpenMetricsText2_0_0,
}

/// `scrape_protocols`; null is unset.
pub(super) fn protocols<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    slot: &mut Option<Vec<Box<str>>>,
) -> Result {
    let (shape, words) = d.strings(node)?;
    let words = words.into_iter().map(Into::into).collect();
    *slot = (shape == Shape::Filled).then_some(words);
    Ok(())
}

impl ScrapeProtocol {
    /// In order of upstream's default preference.
    const WORDS: [(Self, &'static str); 6] = [
        (Self::PrometheusProto, "PrometheusProto"),
        (Self::OpenMetricsText1_0_0, "OpenMetricsText1.0.0"),
        (Self::OpenMetricsText0_0_1, "OpenMetricsText0.0.1"),
        (Self::PrometheusText1_0_0, "PrometheusText1.0.0"),
        (Self::PrometheusText0_0_4, "PrometheusText0.0.4"),
        (Self::OpenMetricsText2_0_0, "OpenMetricsText2.0.0"),
    ];

    /// The word in a configuration.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(protocol, _)| *protocol == self)
            .map_or("", |(_, word)| word)
    }

    pub(super) fn from_word(word: &str) -> std::result::Result<Self, String> {
        let found = Self::WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(protocol, _)| *protocol).ok_or_else(|| {
            let known: Vec<_> = Self::WORDS.iter().map(|(_, word)| *word).collect();
            format!(
                "unknown scrape protocol {word}, supported: {}",
                known.join(", "),
                word = quoted(word)
            )
        })
    }

    /// What is asked for when nothing is configured.
    pub fn defaults(native_histograms: bool) -> Vec<Self> {
        let all = Self::WORDS.iter().map(|(protocol, _)| *protocol);
        all.skip(usize::from(!native_histograms))
            .filter(|protocol| *protocol != Self::OpenMetricsText2_0_0)
            .collect()
    }

    /// Reads a list of words.
    pub(super) fn list(words: &[Box<str>]) -> std::result::Result<Vec<Self>, String> {
        if words.is_empty() {
            return Err("scrape_protocols cannot be empty".to_owned());
        }
        let mut protocols = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            if words
                .iter()
                .take(index)
                .any(|other| other.eq_ignore_ascii_case(word))
            {
                return Err(format!(
                    "duplicated protocol in scrape_protocols, got {word} twice",
                    word = quoted(word)
                ));
            }
            protocols
                .push(Self::from_word(word).map_err(|what| format!("scrape_protocols: {what}"))?);
        }
        Ok(protocols)
    }
}
