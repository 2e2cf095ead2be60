//! Fits a report into a termination message. No I/O.

use super::report::{CommandResult, CompareReport, MAX_REPORT_BYTES, PrivilegeState, Report};

impl Report {
    /// The report as one line of JSON of at most [`MAX_REPORT_BYTES`] bytes.
    ///
    /// What does not fit is given up in this order: privileges that are present, long lists and summaries,
    /// the result as a whole, the tail of the message. Verdict, reason and digest always stay.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut report = self.clone();
        for step in 0..64 {
            let line = serde_json::to_string(&report).unwrap_or_default();
            if line.len() <= MAX_REPORT_BYTES {
                return line;
            }
            report.shrink(step);
        }
        String::new()
    }

    fn shrink(&mut self, step: u32) {
        match (step, &mut self.result) {
            (0, Some(CommandResult::Probe(probe))) => probe
                .privileges
                .retain(|p| p.state != PrivilegeState::Present),
            // The names are what the operator drops them by.
            (0, Some(CommandResult::Restore(restore))) => {
                for copy in &mut restore.safety_copies {
                    copy.tables = None;
                    copy.bytes = None;
                }
            }
            (1, Some(CommandResult::Probe(probe))) => {
                shorten_list(&mut probe.unsupported_objects, 5);
                probe.privileges.truncate(6);
                shorten_list(&mut probe.unsuited_settings, 3);
            }
            (1, Some(CommandResult::Compare(CompareReport::Different { summary, .. }))) => {
                shorten(summary, 1024)
            }
            (1, Some(CommandResult::Restore(restore))) => {
                let left_off = restore.safety_copies.len().saturating_sub(30);
                if left_off > 0 {
                    restore.safety_copies.truncate(30);
                    mention_left_off(&mut self.message, left_off);
                }
            }
            (1, Some(CommandResult::DropSafetyCopies(drop))) => {
                shorten_list(&mut drop.dropped, 10);
                drop.foreign.truncate(30);
            }
            (1, Some(CommandResult::Dump(dump))) => dump.databases.truncate(10),
            (2, _) => shorten(&mut self.message, 1500),
            (3, _) => self.result = None,
            (4.., _) => {
                let half = self.message.len() / 2;
                shorten(&mut self.message, half);
            }
            _ => {}
        }
    }
}

fn mention_left_off(message: &mut String, left_off: usize) {
    message.push_str(&format!(
        ". {left_off} more databases named *__omsnew_* hold replaced tables; the log of this Job names them, and a person drops them"
    ));
}

/// Cuts `text` to at most `limit` bytes at a character boundary and says so.
fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit {
        let mut end = limit.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        if limit > 8 {
            text.push('…');
        }
    }
}

fn shorten_list(list: &mut Vec<String>, limit: usize) {
    if list.len() > limit {
        let left_off = list.len() - limit;
        list.truncate(limit);
        list.push(format!("… and {left_off} more"));
    }
}
