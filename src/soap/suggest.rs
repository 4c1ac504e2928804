//! "Did you mean …?": which of the names that were found may be meant for the one that was wanted.

/// A name that is close to `wanted`, but is not it: the same but for case and underscores, or a
/// slip of the pen or two away.
pub fn near<'f>(wanted: &str, found: impl IntoIterator<Item = &'f str>) -> Option<&'f str> {
    let folded = fold(wanted);
    let slips = if folded.len() < 6 { 1 } else { 2 };
    found
        .into_iter()
        .filter(|name| *name != wanted && name.len() < 64)
        .map(|name| (strsim::osa_distance(&fold(name), &folded), name))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_names_are_not() {
        let wanted = "Candidate_Reference";
        for slip in ["CandidateReference", "candidate_reference", "Candiate_Reference", "Canddiate_Referense"] {
            assert_eq!(near(wanted, ["Stage", slip]), Some(slip));
        }
        assert_eq!(near(wanted, ["Candidate_Reference", "Requisition_Reference", "Candidate"]), None);
        assert_eq!(near("ID", ["Id"]), Some("Id"));
        assert_eq!(near("ID", ["Name"]), None);
    }
}
