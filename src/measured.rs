//! What a policy was measured to do, and the values that it was measured with. For any other value the figures say nothing,
//! so whoever shows them asks [`statement`] first.

use serde::{Deserialize, Serialize};

use crate::{
    config::VisitConfig,
    contradiction,
    policy::{LivenessPolicy, Policy},
    quality::QualityLimits,
    vision::FoundBy,
};

/// The figures under which a policy was chosen, as `agegate calibrate` found them. Shares are of people, 0 to 1; a person
/// counts once, however many pictures there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEvidence {
    /// Hash over names and labels of the data.
    pub dataset: String,
    /// Pictures that were shown to the simulated gate.
    pub pictures: usize,
    /// People under the threshold age.
    pub minors: usize,
    /// People of the threshold age or over.
    pub adults: usize,
    /// People who were judged by how living they look, too: those in pictures with surroundings, where a living face is asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asked_to_live: usize,
    /// People whose age is known as a range of ages.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ranges: usize,
    /// Bound asked for: the upper end of the 95 % interval of `false_accept` is under it.
    #[serde(deserialize_with = "share")]
    pub max_false_accept: f64,
    /// Ages of the minors whom `false_accept` counts: the older ones, who are hard to tell, apart from the children.
    pub false_accept_ages: String,
    /// How many people that are.
    pub false_accept_people: usize,
    /// Share of them let in.
    #[serde(deserialize_with = "share")]
    pub false_accept: f64,
    /// Upper end of its 95 % interval.
    #[serde(deserialize_with = "share")]
    pub false_accept_high: f64,
    /// Share of the adults who are asked for ID.
    #[serde(deserialize_with = "share")]
    pub false_reject: f64,
    /// The values for which all this holds.
    pub measured_with: MeasuredWith,
    /// The minors by age: shares let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minors_by_age: Vec<BandShare>,
    /// The adults by age: shares asked for ID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adults_by_age: Vec<BandShare>,
    /// By gender, ethnicity and age group: who is let in, asked for ID, refused for the view.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupShare>,
    /// By source, where there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<GroupShare>,
}

impl PolicyEvidence {
    /// The figures in a line.
    fn in_words(&self) -> String {
        format!(
            "{:.2} % of {} people of {} let in at one try, at most {:.2} % with 95 % confidence; {:.1} % of adults asked for ID",
            self.false_accept * 100.0,
            self.false_accept_people,
            self.false_accept_ages,
            self.false_accept_high * 100.0,
            self.false_reject * 100.0
        )
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A share of the people of an age band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandShare {
    /// Ages in whole years, such as `13-15`.
    pub ages: String,
    /// How many people.
    pub people: usize,
    /// The share.
    #[serde(deserialize_with = "share")]
    pub share: f64,
    /// Upper end of its 95 % interval.
    #[serde(deserialize_with = "share")]
    pub high: f64,
}

/// What a group of people meets at the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupShare {
    /// The group, such as `female` or `18-24`.
    pub name: String,
    /// Minors whom `false_accept` counts.
    pub minors: usize,
    /// Share of them let in; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "share_if_any")]
    pub false_accept: Option<f64>,
    /// Upper end of its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "share_if_any")]
    pub false_accept_high: Option<f64>,
    /// Adults.
    pub adults: usize,
    /// Share of them asked for ID; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "share_if_any")]
    pub false_reject: Option<f64>,
    /// Adults of the challenge age or over: younger ones are meant to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adults_over_challenge: Option<usize>,
    /// Share of them asked for ID; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "share_if_any")]
    pub false_reject_over_challenge: Option<f64>,
    /// Share of the views that are refused for light or focus.
    #[serde(deserialize_with = "share")]
    pub views_refused: f64,
    /// The same for the same views in half the light.
    #[serde(deserialize_with = "share")]
    pub views_refused_half_light: f64,
}

/// Everything that the figures depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredWith {
    /// [`Policy::threshold_age`].
    pub threshold_age: u8,
    /// [`Policy::challenge_age`].
    pub challenge_age: u8,
    /// [`Policy::sure_age`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sure_age: Option<u8>,
    /// [`Policy::confidence`].
    pub confidence: f32,
    /// [`Policy::deny_confidence`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_confidence: Option<f32>,
    /// [`Policy::temperature`].
    pub temperature: f32,
    /// The age model.
    pub model: String,
    /// Good frames that an Allow needs.
    pub good_frames: usize,
    /// Good frames after which a visit ends, or as many as come within `decide_seconds`.
    pub most_frames: usize,
    /// Which views count: [`QualityLimits`].
    pub min_brightness: f32,
    /// The same.
    pub max_brightness: f32,
    /// The same.
    pub min_contrast: f32,
    /// The same.
    pub min_sharpness: f32,
    /// The same; in no file that was measured with the limits that the models were trained for.
    #[serde(default, skip_serializing_if = "Geometry::is_default")]
    pub geometry: Geometry,
    /// By what, and above which score, faces were found, companions among them, where that was not the shipped detector at its own score or
    /// below; absent: it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<String>,
    /// How a living face was asked for; absent: it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<LivenessMeasuredWith>,
}

/// How near, upright and turned to the camera a face has to be for its view to count, by [`QualityLimits`]. Figures hold for narrower
/// limits too, which only leave views out, and for no wider ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    /// [`QualityLimits::min_face_pixels`].
    pub min_face_pixels: f32,
    /// [`QualityLimits::max_turn`].
    pub max_turn: f32,
    /// [`QualityLimits::max_roll_degrees`].
    pub max_roll_degrees: f32,
    /// [`QualityLimits::min_inside`].
    pub min_inside: f32,
}

impl Geometry {
    fn of(limits: &QualityLimits) -> Self {
        let QualityLimits { min_face_pixels, max_turn, max_roll_degrees, min_inside, .. } = *limits;
        Self { min_face_pixels, max_turn, max_roll_degrees, min_inside }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Where others are wider: each key with both values.
    fn widened(&self, now: &Self) -> impl Iterator<Item = (&'static str, f32, f32)> {
        [
            ("min_face_pixels", self.min_face_pixels, now.min_face_pixels, now.min_face_pixels < self.min_face_pixels),
            ("max_turn", self.max_turn, now.max_turn, now.max_turn > self.max_turn),
            (
                "max_roll_degrees",
                self.max_roll_degrees,
                now.max_roll_degrees,
                now.max_roll_degrees > self.max_roll_degrees,
            ),
            ("min_inside", self.min_inside, now.min_inside, now.min_inside < self.min_inside),
        ]
        .into_iter()
        .filter(|(.., wider)| *wider)
        .map(|(key, measured, found, _)| (key, measured, found))
    }
}

impl Default for Geometry {
    /// The limits that the models were trained for.
    fn default() -> Self {
        Self::of(&QualityLimits::default())
    }
}

/// The values on which figures about living faces and attacks depend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessMeasuredWith {
    /// [`LivenessPolicy::confidence`].
    pub confidence: f32,
    /// [`LivenessPolicy::temperature`].
    pub temperature: f32,
    /// [`LivenessPolicy::offset`].
    pub offset: f32,
    /// The liveness model.
    pub model: String,
    /// By what, and above which score, faces were found, where that was not the shipped detector at its own score; absent: it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<String>,
}

impl LivenessMeasuredWith {
    /// The values in force at a gate.
    #[must_use]
    pub fn now(policy: &LivenessPolicy, model: &str, found_by: &FoundBy) -> Self {
        let LivenessPolicy { confidence, temperature, offset, .. } = *policy;
        Self { confidence, temperature, offset, model: model.into(), detector: found_by.other() }
    }

    /// Keys and values, less what [`MeasuredWith`] has too.
    fn values(values: Option<&Self>) -> [(&'static str, String); 4] {
        let of = |value: &dyn Fn(&Self) -> String| values.map_or_else(|| "absent".into(), value);
        [
            ("liveness.confidence", of(&|v| v.confidence.to_string())),
            ("liveness.temperature", of(&|v| v.temperature.to_string())),
            ("liveness.offset", of(&|v| v.offset.to_string())),
            ("liveness.model", of(&|v| v.model.clone())),
        ]
    }
}

/// What says how a policy tells living faces from attacks: shares of frames and of visits, 0 to 1, by the standard's words
/// (ISO/IEC 30107-3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessEvidence {
    /// Hash over the names of the pictures.
    pub dataset: String,
    /// The share of living frames taken for an attack that was asked for, at most.
    #[serde(deserialize_with = "share")]
    pub max_bpcer: f64,
    /// Frames of living people.
    pub live: usize,
    /// Share of them taken for an attack.
    #[serde(deserialize_with = "share")]
    pub bpcer: f64,
    /// Upper end of its 95 % interval.
    #[serde(deserialize_with = "share")]
    pub bpcer_high: f64,
    /// Share of their visits taken for an attack.
    #[serde(deserialize_with = "share")]
    pub visit_bpcer: f64,
    /// The values for which all this holds.
    pub measured_with: LivenessMeasuredWith,
    /// By attack instrument.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<AttackShare>,
}

impl LivenessEvidence {
    /// The figures in a line.
    fn in_words(&self) -> String {
        let attack = |a: &AttackShare| {
            let (share, high) = (a.apcer * 100.0, a.apcer_high * 100.0);
            // A name may be anything: one that could pass for figures stands in quotes.
            let plain = a.instrument.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '-' | '_'));
            let name = if plain { a.instrument.clone() } else { format!("{:?}", a.instrument) };
            format!("{name} {share:.1} % of {}, at most {high:.1} %", a.frames)
        };
        let attacks = self.attacks.iter().map(attack).collect::<Vec<_>>().join("; ");
        let (share, live) = (self.bpcer * 100.0, self.live);
        format!(
            "{share:.1} % of {live} living frames taken for an attack; attacks taken for living, of frames, with 95 % confidence: {attacks}"
        )
    }
}

/// Attacks of one kind that are taken for living.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackShare {
    /// What is held up, such as `screen`.
    pub instrument: String,
    /// Frames of it.
    pub frames: usize,
    /// Share of them taken for living.
    #[serde(deserialize_with = "share")]
    pub apcer: f64,
    /// Upper end of its 95 % interval.
    #[serde(deserialize_with = "share")]
    pub apcer_high: f64,
    /// Share of visits taken for living.
    #[serde(deserialize_with = "share")]
    pub visit_apcer: f64,
}

/// The models that a gate has loaded, by their identities.
#[derive(Clone, Debug)]
pub struct Models<'a> {
    /// The age model.
    pub age: &'a str,
    /// By what faces are found.
    pub detector: FoundBy,
    /// The liveness model, where a living face is asked for.
    pub liveness: Option<String>,
}

impl MeasuredWith {
    /// The values in force at a gate: policy, models, visit, frames a second, quality.
    #[must_use]
    pub fn now(policy: &Policy, models: &Models<'_>, visit: &VisitConfig, rate: f32, quality: &QualityLimits) -> Self {
        let in_time = (visit.decide_seconds * rate).floor() as usize + 1;
        Self {
            threshold_age: policy.threshold_age,
            challenge_age: policy.challenge_age,
            sure_age: policy.sure_age,
            confidence: policy.confidence,
            deny_confidence: policy.deny_confidence,
            temperature: policy.temperature,
            model: models.age.into(),
            good_frames: visit.good_frames,
            most_frames: visit.most_frames.min(in_time),
            min_brightness: quality.min_brightness,
            max_brightness: quality.max_brightness,
            min_contrast: quality.min_contrast,
            min_sharpness: quality.min_sharpness,
            geometry: Geometry::of(quality),
            // A lower score finds more companions, by whom nobody more is let in.
            detector: models.detector.fewer(),
            liveness: policy.liveness.as_ref().map(|l| {
                LivenessMeasuredWith::now(l, models.liveness.as_deref().unwrap_or_default(), &models.detector)
            }),
        }
    }

    /// The same where no living face is asked for.
    fn without_liveness(&self) -> Self {
        Self { liveness: None, ..self.clone() }
    }

    /// What differs from other values: each key with both.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |key: &str, measured: String, found: String| {
            if measured != found {
                differences.push(format!("`{key}` is {found}, measured with {measured}"));
            }
        };
        let deny = |d: Option<f32>| d.map_or_else(|| "absent".into(), |d| d.to_string());
        let sure = |years: Option<u8>| years.map_or_else(|| "absent".into(), |years| years.to_string());
        for (key, measured, found) in [
            ("threshold_age", self.threshold_age.to_string(), now.threshold_age.to_string()),
            ("challenge_age", self.challenge_age.to_string(), now.challenge_age.to_string()),
            ("sure_age", sure(self.sure_age), sure(now.sure_age)),
            ("confidence", self.confidence.to_string(), now.confidence.to_string()),
            ("deny_confidence", deny(self.deny_confidence), deny(now.deny_confidence)),
            ("temperature", self.temperature.to_string(), now.temperature.to_string()),
            ("model", self.model.clone(), now.model.clone()),
            ("detector", detector_of(&self.detector), detector_of(&now.detector)),
            ("good_frames", self.good_frames.to_string(), now.good_frames.to_string()),
            ("most_frames", self.most_frames.to_string(), now.most_frames.to_string()),
            ("min_brightness", self.min_brightness.to_string(), now.min_brightness.to_string()),
            ("max_brightness", self.max_brightness.to_string(), now.max_brightness.to_string()),
            ("min_contrast", self.min_contrast.to_string(), now.min_contrast.to_string()),
            ("min_sharpness", self.min_sharpness.to_string(), now.min_sharpness.to_string()),
        ] {
            compare(key, measured, found);
        }
        for (key, measured, found) in self.geometry.widened(&now.geometry) {
            compare(key, measured.to_string(), found.to_string());
        }
        let (measured, found) = [self, now].map(|m| LivenessMeasuredWith::values(m.liveness.as_ref())).into();
        for ((key, measured), (_, found)) in measured.into_iter().zip(found) {
            compare(key, measured, found);
        }
        differences
    }
}

/// By what faces are found, for people.
fn detector_of(other: &Option<String>) -> String {
    other.clone().unwrap_or_else(|| "the shipped one at its own score".into())
}

/// What the policy in force asks of a living face, in a line, with its measured figures if they hold for the values in force.
/// `None` where no living face is asked for.
#[must_use]
pub fn liveness_statement(policy: &Policy, now: &MeasuredWith) -> Option<String> {
    let (asked, now) = (policy.liveness.as_ref()?, now.liveness.as_ref()?);
    let basis = match &asked.evidence {
        None => "no figures with it: run `agegate calibrate`".into(),
        Some(e) if e.measured_with != *now => {
            let (measured, found) =
                (LivenessMeasuredWith::values(Some(&e.measured_with)), LivenessMeasuredWith::values(Some(now)));
            let detector = [("detector", detector_of(&e.measured_with.detector))];
            let measured = measured.into_iter().chain(detector);
            let found = found.into_iter().chain([("detector", detector_of(&now.detector))]);
            let differ = measured.zip(found).filter(|(m, f)| m != f);
            let told = differ.map(|((key, m), (_, f))| format!("`{key}` is {f}, measured with {m}"));
            let told = told.collect::<Vec<_>>().join("; ");
            format!("its figures do not hold for these values: {told}; run `agegate calibrate`")
        }
        Some(e) => contradiction::of_liveness(e).map_or_else(
            || e.in_words(),
            |wrong| format!("its figures contradict each other: {wrong}; run `agegate calibrate`"),
        ),
    };
    Some(format!("a living face at P >= {}; {basis}", asked.confidence))
}

/// Why a policy's figures say nothing about the gate that these are the values of; `None` if they do.
#[must_use]
pub fn doubt(policy: &Policy, now: &MeasuredWith) -> Option<String> {
    figures(policy, now).err()
}

/// A policy's figures in words, or why they say nothing.
fn figures(policy: &Policy, now: &MeasuredWith) -> Result<String, String> {
    let e = policy.evidence.as_ref().ok_or("no figures with it")?;
    if let Some(wrong) = contradiction::of_ages(e) {
        return Err(format!("its figures contradict each other: {wrong}"));
    }
    // Asking for a living face as well lets nobody more in: the figures of the ages stay bounds.
    let asks_more = e.measured_with.liveness.is_none() && now.liveness.is_some();
    let now = if asks_more { &now.without_liveness() } else { now };
    match (e.measured_with.differences(now).as_slice(), asks_more) {
        ([], false) => Ok(e.in_words()),
        ([], true) => Ok(format!(
            "{}; measured without asking for a living face, by which nobody more is let in and more adults are asked for ID: \
             how many, `agegate calibrate --config FILE --dataset DIR --attacks DIR` with this configuration measures",
            e.in_words()
        )),
        (differences, _) => Err(format!("its figures do not hold for these values: {}", differences.join("; "))),
    }
}

/// The policy in a line, with its measured figures if they hold for the values in force, and else with why they do not.
#[must_use]
pub fn statement(policy: &Policy, now: &MeasuredWith) -> String {
    let basis = figures(policy, now).unwrap_or_else(|doubt| format!("{doubt}; run `agegate calibrate`"));
    format!(
        "{} and over, surely {} at P >= {}, challenge age {}; {basis}",
        policy.threshold_age,
        policy.sure_age(),
        policy.confidence,
        policy.challenge_age
    )
}

/// A share that a file states: a number from 0 to 1, whoever wrote it.
fn share<'de, D: serde::Deserializer<'de>>(file: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(file)?;
    // NaN lies in no range.
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(serde::de::Error::custom(format!("a share is {value}, expected 0 to 1"))),
    }
}

fn share_if_any<'de, D: serde::Deserializer<'de>>(file: D) -> Result<Option<f64>, D::Error> {
    share(file).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, policy::ShippedPolicy, vision::Detector};

    fn now(policy: &Policy, config: &Config) -> MeasuredWith {
        let model = policy.model.clone().unwrap_or_default();
        let liveness = policy.liveness.as_ref().and_then(|l| l.model.clone());
        let shipped = Detector::embedded().unwrap();
        let score = config.models.detector_score.unwrap_or_else(|| shipped.shipped_score());
        let detector = shipped.found_by(score).unwrap();
        let models = Models { age: &model, detector, liveness };
        MeasuredWith::now(policy, &models, &config.visit, config.camera.rate, &config.quality)
    }

    #[test]
    fn the_shipped_figures_hold_for_the_shipped_values() {
        let config = Config::default();
        let policy = Policy::shipped().in_force(config.liveness.mode).unwrap();
        assert!(statement(&policy, &now(&policy, &config)).contains("% of adults asked for ID"));
    }

    #[test]
    fn the_shipped_figures_hold_where_only_better_views_count() {
        let mut config = Config::default();
        let limits = &mut config.quality;
        (limits.min_face_pixels, limits.max_turn) = (120.0, 0.2);
        (limits.max_roll_degrees, limits.min_inside) = (10.0, 1.0);
        let policy = Policy::shipped().in_force(config.liveness.mode).unwrap();
        assert!(statement(&policy, &now(&policy, &config)).contains("% of adults asked for ID"));
    }

    #[test]
    fn figures_about_living_faces_are_shown_for_the_values_they_were_measured_with_alone() {
        let measured_with = LivenessMeasuredWith {
            confidence: 0.9,
            temperature: 1.0,
            offset: 0.0,
            model: "net/1".into(),
            detector: None,
        };
        let evidence = LivenessEvidence {
            dataset: "d".into(),
            max_bpcer: 0.03,
            live: 200,
            bpcer: 0.02,
            bpcer_high: 0.05,
            visit_bpcer: 0.0,
            measured_with,
            attacks: vec![AttackShare {
                instrument: "screen".into(),
                frames: 100,
                apcer: 0.04,
                apcer_high: 0.0984,
                visit_apcer: 0.0,
            }],
        };
        let asked = LivenessPolicy {
            confidence: 0.9,
            temperature: 1.0,
            offset: 0.0,
            model: Some("net/1".into()),
            evidence: Some(evidence),
        };
        let line = |asked: LivenessPolicy| {
            let policy = Policy { liveness: Some(asked), ..Policy::shipped() };
            liveness_statement(&policy, &now(&policy, &Config::default())).unwrap()
        };
        assert!(
            line(asked.clone()).contains("2.0 % of 200 living frames")
                && line(asked.clone()).contains("screen 4.0 % of 100, at most 9.8 %")
        );
        type Edit = fn(&mut LivenessPolicy);
        let edits: [(&str, Edit); 4] = [
            ("confidence", |l| l.confidence = 0.8),
            ("temperature", |l| l.temperature = 2.0),
            ("offset", |l| l.offset = -1.0),
            ("model", |l| l.model = Some("net/2".into())),
        ];
        for (key, edit) in edits {
            let mut edited = asked.clone();
            edit(&mut edited);
            let line = line(edited);
            assert!(line.contains("do not hold") && line.contains(&format!("`liveness.{key}` is")), "{line}");
            assert!(!line.contains("living frames"), "{line}");
        }
        // Whichever way the score differs, other faces are judged.
        for score in [0.05, 0.95] {
            let mut config = Config::default();
            config.models.detector_score = Some(score);
            let policy = Policy { liveness: Some(asked.clone()), ..Policy::shipped() };
            let line = liveness_statement(&policy, &now(&policy, &config)).unwrap();
            let expected = format!(" at {score}, measured with the shipped one at its own score");
            assert!(
                line.contains("`detector` is ") && line.contains(&expected) && !line.contains("living frames"),
                "{line}"
            );
        }
    }

    #[test]
    fn figures_of_ages_say_so_where_living_faces_were_not_asked_for_and_do_not_hold_where_they_were_otherwise() {
        let asked = LivenessPolicy { confidence: 0.9, temperature: 1.0, offset: 0.0, model: None, evidence: None };
        let with = |measured: Option<LivenessMeasuredWith>, liveness: Option<LivenessPolicy>| {
            let mut policy = Policy { liveness, ..Policy::shipped() };
            policy.evidence.as_mut().unwrap().measured_with.liveness = measured;
            statement(&policy, &now(&policy, &Config::default()))
        };
        let measured = LivenessMeasuredWith::now(&asked, "net/1", &FoundBy::default());
        let line = with(None, Some(asked.clone()));
        assert!(line.contains("measured without asking for a living face") && line.contains("asked for ID;"), "{line}");
        for (measured, liveness) in [(measured.clone(), None), (measured, Some(asked))] {
            let line = with(Some(measured), liveness);
            assert!(line.contains("do not hold") && line.contains("`liveness."), "{line}");
        }
    }

    #[test]
    fn figures_of_living_faces_that_no_measurement_can_have_given_are_not_shown() {
        type Edit = fn(&mut LivenessEvidence);
        let edits: [Edit; 6] = [
            |e| e.bpcer_high = e.bpcer,
            |e| e.live = 0,
            |e| e.max_bpcer = e.bpcer / 2.0,
            |e| e.attacks[0].apcer = 0.99,
            |e| e.attacks[0].frames = 1,
            |e| e.attacks[1].instrument = e.attacks[0].instrument.clone(),
        ];
        for shipped in ShippedPolicy::ALL {
            for edit in edits {
                let mut policy = Policy::of(shipped);
                let now = now(&policy, &Config::default());
                assert!(liveness_statement(&policy, &now).unwrap().contains("living frames taken for an attack"));
                edit(policy.liveness.as_mut().unwrap().evidence.as_mut().unwrap());
                let line = liveness_statement(&policy, &now).unwrap();
                assert!(line.contains("contradict each other") && !line.contains("living frames"), "{line}");
            }
        }
    }

    #[test]
    fn figures_that_no_measurement_can_have_given_are_not_shown() {
        type Edit = fn(&mut PolicyEvidence);
        let edits: [Edit; 3] = [
            |e| (e.false_accept, e.false_accept_high) = (0.0, 0.0192),
            |e| e.false_accept_high = 0.03,
            |e| e.minors = 14,
        ];
        for edit in edits {
            let mut policy = Policy::shipped();
            let now = now(&policy, &Config::default());
            assert!(statement(&policy, &now).contains("let in at one try, at most"));
            edit(policy.evidence.as_mut().unwrap());
            let line = statement(&policy, &now);
            assert!(line.contains("contradict each other") && !line.contains("asked for ID"), "{line}");
        }
    }

    #[test]
    fn figures_are_shown_for_no_value_that_they_were_not_measured_with() {
        type Edit = fn(&mut Policy, &mut Config);
        let edits: [(&str, Edit); 18] = [
            ("threshold_age", |p, _| p.threshold_age = 16),
            ("challenge_age", |p, _| p.challenge_age += 1),
            ("sure_age", |p, _| p.sure_age = None),
            ("confidence", |p, _| p.confidence = 0.9),
            ("deny_confidence", |p, _| p.deny_confidence = Some(0.99)),
            ("temperature", |p, _| p.temperature += 0.001),
            ("model", |p, _| p.model = Some("another".into())),
            ("good_frames", |_, c| c.visit.good_frames = 1),
            ("most_frames", |_, c| c.visit.most_frames = 100),
            ("most_frames", |_, c| c.camera.rate = 1.0),
            ("min_brightness", |_, c| c.quality.min_brightness = 5.0),
            ("max_brightness", |_, c| c.quality.max_brightness = 255.0),
            ("min_sharpness", |_, c| c.quality.min_sharpness = 0.0),
            ("detector", |_, c| c.models.detector_score = Some(0.95)),
            ("min_face_pixels", |_, c| c.quality.min_face_pixels = 24.0),
            ("max_turn", |_, c| c.quality.max_turn = 0.9),
            ("max_roll_degrees", |_, c| c.quality.max_roll_degrees = 45.0),
            ("min_inside", |_, c| c.quality.min_inside = 0.5),
        ];
        for (key, edit) in edits {
            let mut config = Config::default();
            let mut policy = Policy::shipped().in_force(config.liveness.mode).unwrap();
            edit(&mut policy, &mut config);
            let line = statement(&policy, &now(&policy, &config));
            assert!(line.contains("do not hold for these values") && line.contains(&format!("`{key}` is")), "{line}");
            assert!(!line.contains("asked for ID"), "{line}");
        }
    }
}
