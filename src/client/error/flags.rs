//! From the path of a field, as the daemon names it, to the flag that a person typed.
//!
//! Most flags are called as their field, or as their field and the message around it (`tcav.runs`, `--tcav-runs`); the others stand in
//! `RENAMED`. A flag is named only where the command that runs has it, so a wrong guess cannot be shown.

use super::Explanation;

/// Ends of paths and the flags that they are, where the names differ.
const RENAMED: &[(&str, &str)] = &[
    ("forget.classes", "forget-class"),
    ("forget.indices", "forget-index"),
    ("forget.index_range", "forget-range"),
    ("forget.column_equals", "forget-column"),
    ("selector.classes", "class"),
    ("selector.index_range", "range"),
    ("selector.column_equals", "column"),
    ("classes", "class"),
    ("donor.class", "donor"),
    ("donor.by_class", "donor"),
    ("selection.count", "poison-count"),
    ("selection.fraction", "poison-fraction"),
    ("selection.order", "select-by"),
    ("learning_rate", "lr"),
    ("warmup_steps", "warmup"),
    ("batch_norm", "bn"),
    ("checkpoint_every_steps", "checkpoint-every"),
    ("augmentation", "augment"),
    ("class_count", "classes"),
    ("preprocessing.height", "size"),
    ("preprocessing.width", "size"),
    ("output", "explain"),
    ("noise.relative_std", "noise-std"),
    ("reference_model", "reference"),
    ("original_model", "original"),
    ("attacks", "attack"),
    ("target_class", "target"),
    ("concept_bank_id", "bank"),
    ("concept_bank", "bank"),
    ("refusal.answers", "refusal"),
    ("concept_count", "concepts"),
    ("examples.concepts", "concept"),
    ("sample.index", "indices"),
    ("sample.source", "dataset"),
    ("source", "dataset"),
    ("inputs", "image"),
    ("target_modules", "lora-targets"),
    ("parameters.all", "all-parameters"),
    ("loss_at_most", "stop-at-loss"),
    ("forget_loss_at_least", "stop-at-forget-loss"),
    ("answers.mask.names", "mask-name"),
    ("answers.mask.top_words", "mask-words"),
    ("goal.max_forget", "goal-forget"),
    ("goal.max_retain_drop", "goal-retain-drop"),
    ("goal.examples", "goal-examples"),
    ("goal.names", "goal-name"),
    ("goal", "until-forgotten"),
];

/// The long flags of the command that runs.
#[derive(Debug, Default)]
pub(crate) struct Flags(Vec<String>);

impl Flags {
    /// Of the innermost subcommand that `matches` names.
    pub(crate) fn of(mut command: &clap::Command, mut matches: &clap::ArgMatches) -> Self {
        while let Some((name, inner)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (command, matches) = (found, inner);
        }
        Self(command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned).collect())
    }

    /// `--forget-class` of `poison.forget.classes[0]`; of a field without a flag, that of the message around it.
    fn of_field(&self, path: &str) -> Option<String> {
        let parts = path.split('.').map(|part| part.split('[').next().unwrap_or(part));
        let mut parts: Vec<&str> = parts.filter(|part| !matches!(*part, "predicates" | "")).collect();
        while !parts.is_empty() {
            if let Some(flag) = candidates(&parts).into_iter().find(|flag| self.0.contains(flag)) {
                return Some(format!("--{flag}"));
            }
            parts.pop();
        }
        None
    }

    /// Names the flags in place of the fields.
    pub(crate) fn tell(&self, told: &mut Explanation) {
        for violation in &mut told.violations {
            violation.flag = self.of_field(&violation.subject);
            violation.description = self.reworded(&violation.description);
        }
        let message = self.reworded(&told.message);
        told.message = match message.split_once(": ").and_then(|(path, rest)| Some((self.of_path(path)?, rest))) {
            Some((flag, rest)) => format!("{flag}: {rest}"),
            None => message,
        };
    }

    /// As `of_field`, of a text that is nothing but a path.
    fn of_path(&self, text: &str) -> Option<String> {
        let is_path = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._[]".contains(c));
        is_path.then(|| self.of_field(text)).flatten()
    }

    /// Fields that are quoted in the text; a quoted word is taken for a field if it looks like no name, or is to be set.
    fn reworded(&self, text: &str) -> String {
        let mut pieces: Vec<String> = text.split('`').map(str::to_owned).collect();
        for index in (1..pieces.len().saturating_sub(1)).step_by(2) {
            let is_field = pieces[index].contains(['_', '.']) || pieces[index - 1].ends_with("set ");
            if let Some(flag) = is_field.then(|| self.of_path(&pieces[index])).flatten() {
                pieces[index] = flag;
            }
        }
        pieces.join("`")
    }
}

/// What the flag of a path may be called, the likeliest first.
fn candidates(parts: &[&str]) -> Vec<String> {
    let path = parts.join(".");
    let ends_in = |end: &str| path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let kebab = |parts: &[&str]| parts.join("-").replace('_', "-");
    let with_outer = parts.len().checked_sub(2).map(|start| kebab(&parts[start..]));
    let renamed = RENAMED.iter().filter(|(end, _)| ends_in(end));
    let (by_outer, by_name): (Vec<_>, Vec<_>) = renamed.partition(|(end, _)| end.contains('.'));
    let own = kebab(&parts[parts.len() - 1..]);
    let flags = |found: Vec<&(&str, &str)>| found.into_iter().map(|(_, flag)| (*flag).to_owned()).collect::<Vec<_>>();
    [flags(by_outer), with_outer.into_iter().collect(), vec![own], flags(by_name)].concat()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Violation;
    use super::*;
    use crate::client::arguments::Cli;

    fn flags(line: &str) -> Flags {
        let command = Cli::command();
        let words = format!("unlearnctl {line}");
        let matches = command.clone().try_get_matches_from(words.split_whitespace()).unwrap();
        Flags::of(&command, &matches)
    }

    const UNLEARN: &str = "unlearn --model m --train d --test d";

    #[test]
    fn a_field_is_told_by_the_flag_of_the_command_that_runs() {
        let unlearn = flags(UNLEARN);
        for (field, flag) in [
            ("poison.model", "--model"),
            ("poison.train.split", "--train"),
            ("poison.forget.classes[0]", "--forget-class"),
            ("poison.forget.predicates[1].index_range.end", "--forget-range"),
            ("poison.forget.predicates[0].fraction", "--forget-fraction"),
            ("poison.donor.by_class[deer]", "--donor"),
            ("poison.donor.rule", "--donor-rule"),
            ("poison.selection.count", "--poison-count"),
            ("poison.mix.ratio", "--mix"),
            ("poison.concept_bank", "--concept-bank"),
            ("trainer.learning_rate", "--lr"),
            ("trainer.optimizer.sgd.momentum", "--momentum"),
            ("trainer.checkpoint_every_steps", "--checkpoint-every"),
            ("reference_model", "--reference"),
            ("text.trainer.lora.target_modules[0]", "--lora-targets"),
            ("text.trainer.lora.rank", "--lora-rank"),
            ("text.trainer.early_stop.loss_at_most", "--stop-at-loss"),
            ("text.trainer.objective.beta", "--beta"),
            ("text.options.max_tokens", "--max-tokens"),
            ("text.options.label_prompt", "--label-prompt"),
            ("text.answers", "--answers"),
            ("text.answers.mask.names[1]", "--mask-name"),
            ("text.answers.refusal.answers[0]", "--refusal"),
            ("text.goal.max_retain_drop", "--goal-retain-drop"),
            ("text.goal", "--until-forgotten"),
        ] {
            assert_eq!(unlearn.of_field(field).as_deref(), Some(flag), "{field}");
        }
        assert_eq!(unlearn.of_field("models/m"), None);
        let attribute = flags("attribute --model m --image a.png");
        for (field, flag) in [
            ("attribution.noise.samples", "--noise-samples"),
            ("attribution.gradient_shap.samples", "--samples"),
            ("attribution.output", "--explain"),
            ("attribution.baseline.blur", "--baseline"),
            ("inputs[0].target_class", "--target"),
            ("inputs[0].sample.index", "--indices"),
            ("inputs[0].pixels", "--image"),
        ] {
            assert_eq!(attribute.of_field(field).as_deref(), Some(flag), "{field}");
        }
        let extract = flags("concepts extract --bank b --model m --train d");
        assert_eq!(extract.of_field("tcav.runs").as_deref(), Some("--tcav-runs"));
        assert_eq!(extract.of_field("concept_bank").as_deref(), Some("--bank"));
        assert_eq!(extract.of_field("classes[2]").as_deref(), Some("--class"));
    }

    #[test]
    fn every_renamed_flag_is_one_of_some_command() {
        fn collect(command: &clap::Command, known: &mut Vec<String>) {
            known.extend(command.get_arguments().filter_map(|it| it.get_long()).map(str::to_owned));
            command.get_subcommands().for_each(|inner| collect(inner, known));
        }
        let mut known = Vec::new();
        collect(&Cli::command(), &mut known);
        for (field, flag) in RENAMED {
            assert!(known.iter().any(|it| it == flag), "{field}: no command has --{flag}");
        }
    }

    #[test]
    fn messages_and_remedies_name_flags() {
        let description = "the class `test_set` has no sample; narrow it, or set `allow_no_retain`".to_owned();
        let mut told = Explanation {
            message: format!("poison.forget: {description}"),
            violations: vec![Violation { subject: "poison.forget.classes[0]".to_owned(), description, flag: None }],
            ..Explanation::default()
        };
        flags(UNLEARN).tell(&mut told);
        assert_eq!(told.violations[0].flag.as_deref(), Some("--forget-class"));
        assert!(told.message.ends_with("set `--allow-no-retain`"), "{}", told.message);
        assert!(told.message.contains("`test_set`"), "{}", told.message);
        told.message = "trainer.learning_rate: is -1; it must be above 0".to_owned();
        flags(UNLEARN).tell(&mut told);
        assert_eq!(told.message, "--lr: is -1; it must be above 0");
    }
}
