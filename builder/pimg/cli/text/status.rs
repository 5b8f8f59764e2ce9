//! `pimg status` as text: a line a node, the steps as rows, and why something waits.

use std::fmt::Write;

use owo_colors::{OwoColorize, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Text;
use crate::command::outcome::{
    AskedNode, NodeAnswer, OverallState, Silence, StatusOutcome, StepState, StepStatus,
};

/// Columns between two columns of a table.
const GAP: usize = 2;

/// Least columns for a message; a terminal that leaves less gets lines that are too long for it.
const NARROWEST: usize = 24;

/// Most columns for a name that came from a node.
const LONGEST_NAME: usize = 40;

/// What the text is to fit.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Screen {
    /// Columns; `None` cuts and wraps nothing.
    pub(in crate::cli) columns: Option<usize>,
    /// Rows; where there are too few, steps that are done everywhere are left out.
    pub(in crate::cli) rows: Option<usize>,
    /// Whether to tell what each step is about.
    pub(in crate::cli) verbose: bool,
}

/// A cell of a table: its text, and how it looks where there are colours.
struct Cell {
    text: String,
    style: Style,
}

fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), style: Style::new() }
}

fn styled(text: impl Into<String>, style: Style) -> Cell {
    Cell { text: text.into(), style }
}

/// A step's state in a word.
pub(in crate::cli) fn state_name(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "pending",
        StepState::Running => "running",
        StepState::Waiting => "waiting",
        StepState::Retrying => "retrying",
        StepState::Failed => "failed",
        StepState::Done => "done",
    }
}

/// A node's state in a word.
pub(in crate::cli) fn node_state(node: &AskedNode) -> &'static str {
    match node.state() {
        None => match node.silence {
            Some(Silence::Untrusted) => "untrusted",
            Some(Silence::NoStatus) => "no status",
            _ => "unreachable",
        },
        Some(OverallState::Working) => "working",
        Some(OverallState::Waiting) => "waiting",
        Some(OverallState::Failed) => "failed",
        Some(OverallState::Finished) => "finished",
    }
}

fn step_style(state: StepState) -> Style {
    match state {
        StepState::Pending => Style::new().dimmed(),
        StepState::Running => Style::new().cyan(),
        StepState::Waiting | StepState::Retrying => Style::new().yellow(),
        StepState::Failed => Style::new().red().bold(),
        StepState::Done => Style::new().green(),
    }
}

fn node_style(node: &AskedNode) -> Style {
    match node.state() {
        None | Some(OverallState::Failed) => Style::new().red().bold(),
        Some(OverallState::Working) => Style::new().cyan(),
        Some(OverallState::Waiting) => Style::new().yellow(),
        Some(OverallState::Finished) => Style::new().green(),
    }
}

/// What the nodes said; hints are remarks.
pub(in crate::cli) fn status_text(outcome: &StatusOutcome, screen: Screen) -> Text {
    let mut out = lines(&overview(&outcome.nodes), screen.columns);
    let answers: Vec<_> =
        outcome.nodes.iter().filter_map(|node| Some((node, node.status.as_ref()?))).collect();
    let notes = notes(&outcome.nodes, answers.len() != 1, screen.columns);
    let rest = screen.rows.map(|rows| rows.saturating_sub(out.lines().count() + notes.lines().count() + 4));
    match answers.as_slice() {
        [] => {}
        [(_, answer)] => out += &steps_of_one(answer, rest, screen),
        answers => out += &steps_of_many(answers, rest, screen),
    }
    if !notes.is_empty() {
        out = out + "\n" + &notes;
    }
    let mut err = String::new();
    for node in &outcome.nodes {
        if let Some(hint) = &node.hint {
            let _ = writeln!(err, "{} `{}`: {hint}", "hint:".cyan().bold(), node.host);
        }
    }
    Text { out, err }
}

/// A line a node.
fn overview(nodes: &[AskedNode]) -> Vec<Vec<Cell>> {
    let mut rows = vec![["NODE", "STATE", "DONE", "BOOTS", "ADDRESS"].map(cell).into()];
    for node in nodes {
        let mut cells = vec![cell(shortened(&node.host)), styled(node_state(node), node_style(node))];
        if let Some(NodeAnswer { first_boot, .. }) = &node.status {
            let done = first_boot.steps.iter().filter(|step| step.state == StepState::Done).count();
            cells.push(cell(format!("{done} of {}", first_boot.steps.len())));
            cells.push(cell(first_boot.boots.to_string()));
            cells.push(cell(first_boot.url.as_ref().unwrap_or(&first_boot.address).clone()));
        }
        rows.push(cells);
    }
    rows
}

/// Why nodes did not answer, and, where the table has no room for it, what their steps say.
fn notes(nodes: &[AskedNode], with_steps: bool, columns: Option<usize>) -> String {
    let mut rows = Vec::new();
    for node in nodes {
        if let Some(reason) = &node.reason {
            rows.push(vec![cell(format!("{}:", shortened(&node.host))), cell(reason.clone())]);
        }
        if !with_steps {
            continue;
        }
        for step in node.status.iter().flat_map(|status| &status.first_boot.steps) {
            // what a step comes after is plain from the table
            if !step.message.is_empty() && !matches!(step.state, StepState::Pending | StepState::Done) {
                let name = format!("{}: {}:", shortened(&node.host), shortened(&step.name));
                rows.push(vec![cell(name), cell(step.message.clone())]);
            }
        }
    }
    lines(&rows, columns)
}

/// The steps of the only node, with what they say.
fn steps_of_one(answer: &NodeAnswer, rows: Option<usize>, screen: Screen) -> String {
    let steps = &answer.first_boot.steps;
    let hides = rows.is_some_and(|rows| steps.len() > rows);
    let mut table = vec![["STEP", "STATE", "SINCE", "MESSAGE"].map(cell).into()];
    if screen.verbose {
        table = vec![["STEP", "STATE", "SINCE", "ABOUT", "MESSAGE"].map(cell).into()];
    }
    for step in steps.iter().filter(|step| !hides || step.state != StepState::Done) {
        let mut cells = vec![
            cell(shortened(&step.name)),
            styled(state_name(step.state), step_style(step.state)),
            cell(age(answer, step)),
        ];
        if screen.verbose {
            cells.push(cell(shortened(&step.description)));
        }
        cells.push(cell(step.message.clone()));
        table.push(cells);
    }
    "\n".to_owned() + &lines(&table, screen.columns)
}

/// Steps as rows, nodes as columns; as many tables as it takes to fit the screen.
fn steps_of_many(answers: &[(&AskedNode, &NodeAnswer)], rows: Option<usize>, screen: Screen) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (_, answer) in answers {
        for step in &answer.first_boot.steps {
            if !names.contains(&step.name.as_str()) {
                names.push(&step.name);
            }
        }
    }
    let is_done = |name: &&str| {
        let mut states = answers.iter().filter_map(|(_, answer)| step(answer, name)).map(|step| step.state);
        states.all(|state| state == StepState::Done)
    };
    if rows.is_some_and(|rows| names.len() > rows) {
        names.retain(|name| !is_done(name));
    }
    let first: Vec<Cell> =
        std::iter::once(cell("STEP")).chain(names.iter().map(|name| cell(shortened(name)))).collect();
    let columns: Vec<Vec<Cell>> = answers.iter().map(|(node, answer)| column(node, answer, &names)).collect();
    let widest = |cells: &[Cell]| cells.iter().map(|cell| cell.text.width()).max().unwrap_or(0) + GAP;
    let mut text = String::new();
    let mut group: Vec<&[Cell]> = vec![&first];
    let mut used = widest(&first);
    for column in &columns {
        if group.len() > 1 && screen.columns.is_some_and(|columns| used + widest(column) > columns + GAP) {
            text = text + "\n" + &side_by_side(&group);
            group = vec![&first];
            used = widest(&first);
        }
        used += widest(column);
        group.push(column);
    }
    text + "\n" + &side_by_side(&group)
}

fn step<'a>(answer: &'a NodeAnswer, name: &str) -> Option<&'a StepStatus> {
    answer.first_boot.steps.iter().find(|step| step.name == name)
}

/// A node's column: its name, then state and age of each step.
fn column(node: &AskedNode, answer: &NodeAnswer, names: &[&str]) -> Vec<Cell> {
    let state = |name: &&str| match step(answer, name) {
        Some(step) => {
            let text = match step.state {
                StepState::Pending => state_name(step.state).to_owned(),
                state => format!("{:8}  {}", state_name(state), age(answer, step)),
            };
            styled(text, step_style(step.state))
        }
        None => cell("-"),
    };
    std::iter::once(cell(shortened(&node.host))).chain(names.iter().map(state)).collect()
}

fn side_by_side(columns: &[&[Cell]]) -> String {
    let rows = columns.first().map_or(0, |first| first.len());
    let row = |at: usize| columns.iter().filter_map(move |column| column.get(at)).collect::<Vec<_>>();
    aligned(&(0..rows).map(row).collect::<Vec<_>>(), None)
}

fn lines(rows: &[Vec<Cell>], columns: Option<usize>) -> String {
    aligned(&rows.iter().map(|row| row.iter().collect()).collect::<Vec<_>>(), columns)
}

/// Rows with their columns aligned. The last column is broken into lines that fit `columns`.
fn aligned(rows: &[Vec<&Cell>], columns: Option<usize>) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.width()).max();
    let widths: Vec<usize> = (0..count).map(|at| width(at).unwrap_or(0)).collect();
    let before_last: usize = widths.iter().rev().skip(1).map(|width| width + GAP).sum();
    let room = columns.map(|columns| columns.saturating_sub(before_last + 1).max(NARROWEST));
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        let mut more = Vec::new();
        for (at, cell) in row.iter().enumerate() {
            let mut shown = cell.text.as_str().to_owned();
            if let Some(room) = room.filter(|_| at + 1 == count) {
                let mut pieces = wrapped(&shown, room).into_iter();
                shown = pieces.next().unwrap_or_default();
                more = pieces.collect();
            }
            let is_end = row.iter().skip(at + 1).all(|cell| cell.text.is_empty());
            let _ = write!(line, "{}", shown.style(cell.style));
            if is_end {
                break;
            }
            let used = shown.width();
            line.extend(std::iter::repeat_n(' ', widths.get(at).unwrap_or(&0).saturating_sub(used) + GAP));
        }
        text = text + &line + "\n";
        for piece in more {
            let _ = writeln!(text, "{:before_last$}{piece}", "");
        }
    }
    text
}

/// `text` in lines of at most `room` columns, broken between words where that is possible.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let used = pieces.last().map_or(0, |last| last.width());
        if used > 0 && used + 1 + word.width() <= room {
            pieces.iter_mut().last().into_iter().for_each(|last| *last = format!("{last} {word}"));
            continue;
        }
        if used > 0 {
            pieces.push(String::new());
        }
        for c in word.chars() {
            let used = pieces.last().map_or(0, |last| last.width());
            if used > 0 && used + c.width().unwrap_or(0) > room {
                pieces.push(String::new());
            }
            pieces.iter_mut().last().into_iter().for_each(|last| last.push(c));
        }
    }
    pieces
}

/// A name from elsewhere, cut where it would push everything else off the screen.
fn shortened(name: &str) -> String {
    if name.width() <= LONGEST_NAME {
        return name.to_owned();
    }
    let mut shown = String::new();
    for c in name.chars() {
        if shown.width() + c.width().unwrap_or(0) >= LONGEST_NAME {
            break;
        }
        shown.push(c);
    }
    shown + "…"
}

/// How long a step is in its state, by the node's clock; nothing where that clock was set back meanwhile.
fn age(answer: &NodeAnswer, step: &StepStatus) -> String {
    let seconds = step.since.and_then(|since| answer.clock.checked_sub(since));
    seconds.map_or_else(|| "-".to_owned(), duration)
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
pub(in crate::cli) mod test_data;
#[cfg(test)]
mod tests;
