//! A figure stands where it was measured, and elsewhere only where a program put it: what the pages say about the shipped
//! policy is what the policy says, and the bound it keeps is written down once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod common;

use agegate::policy::Policy;
use common::repository;

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// What `scripts/update_readme.py` makes of the policy's comments.
fn stated() -> String {
    let policy = read("models/policy.toml");
    let lines = policy.lines().filter_map(|l| l.strip_prefix("# ")).filter(|l| !l.starts_with("Made by"));
    lines.map(|l| format!("> {}  \n", l.trim_end())).collect()
}

#[test]
fn the_pages_say_of_the_shipped_policy_what_it_says_itself() {
    for page in ["README.md", "docs/practice-statement.md"] {
        let text = read(page);
        let block = text.split("<!-- policy: begin, written by scripts/update_readme.py -->\n").nth(1);
        let block = block.and_then(|rest| rest.split("<!-- policy: end -->").next());
        assert_eq!(block, Some(stated().as_str()), "{page}: run `python3 scripts/update_readme.py`");
        assert!(!stated().is_empty());
    }
}

#[test]
fn the_practice_statement_has_no_share_of_its_own() {
    let text = read("docs/practice-statement.md");
    let (before, rest) = text.split_once("<!-- policy: begin").unwrap();
    let (_, after) = rest.split_once("<!-- policy: end -->").unwrap();
    for line in before.lines().chain(after.lines()) {
        let own = line.replace("95 % intervals", "");
        assert!(!own.contains(" % ") && !own.contains("validation minors"), "a figure by hand: {line}");
    }
}

#[test]
fn the_bound_of_the_shipped_policy_is_written_down_once() {
    let bound = Policy::shipped().evidence.unwrap().max_false_accept;
    let makefile = read("Makefile");
    let recipe = makefile.lines().find(|l| l.contains("--max-false-accept")).unwrap();
    // The recipe reads it from the policy that it makes anew.
    let read = "--max-false-accept $$(sed -n 's/^max_false_accept = //p' models/$${each%:*}.toml) --out models/$${each%:*}.toml";
    assert!(recipe.contains(read), "{recipe}");
    assert!(makefile.contains("for each in policy:$(POLICY_BPCER) "), "{makefile}");
    let read = ["-n", "s/^max_false_accept = //p", "models/policy.toml"];
    let output = std::process::Command::new("sed").args(read).current_dir(repository()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim().parse::<f64>().unwrap(), bound);
}

#[test]
fn the_sentences_of_the_policy_say_what_its_figures_say() {
    let (evidence, stated) = (Policy::shipped().evidence.unwrap(), stated());
    let first = stated.lines().next().unwrap();
    assert!(first.contains(&format!("{:.0} are let in", evidence.false_accept * 1e3)), "{first}");
    assert!(first.contains(&format!("fewer than {:.0}.", (evidence.false_accept_high * 1e3).ceil())), "{first}");
    assert!(stated.contains(&format!("or over, {:.0} are asked for ID", evidence.false_reject * 1e3)), "{stated}");
    assert!(evidence.false_accept_high < evidence.max_false_accept);
}
