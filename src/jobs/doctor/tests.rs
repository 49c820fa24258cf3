use super::*;

#[test]
fn the_worst_problem_decides_and_what_is_not_set_is_none() {
    let finding = |state| Finding { check: "x", state, text: String::new(), hint: None };
    let code = |states: &[State]| {
        Diagnosis { findings: states.iter().copied().map(finding).collect(), failure: None }.exit_code()
    };
    assert_eq!(code(&[State::Ok, State::Unset, State::Skipped]), 0);
    assert_eq!(code(&[State::Ok, State::Warning]), 4);
    assert_eq!(code(&[State::Warning, State::Problem(Kind::Refused), State::Problem(Kind::Unreachable)]), 6);
    assert_eq!(code(&[State::Problem(Kind::Refused), State::Problem(Kind::Database)]), 8);
}

#[test]
fn without_settings_every_other_check_says_so() {
    let diagnosis = without_settings(Failure::new(Kind::Usage, "broken"));
    assert_eq!(diagnosis.findings.len(), CHECKS.len());
    assert_eq!(diagnosis.exit_code(), 2);
    assert!(diagnosis.findings[1..].iter().all(|finding| finding.state == State::Skipped));
}
