//! The keys that are read and checked but do nothing in this release.

/// The paths of these keys; `*` stands for one name. A feature that lands removes its lines.
const LATER: &[&str] = &["org.*.reconcile_every_minutes", "org.*.workday"];

/// Those of the keys that do nothing yet.
pub(super) fn without_effect(keys: &[String]) -> Vec<String> {
    keys.iter().filter(|key| LATER.iter().any(|pattern| matches(pattern, key))).cloned().collect()
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut parts, mut names) = (pattern.split('.'), path.split('.'));
    loop {
        match (parts.next(), names.next()) {
            (None, None) => return true,
            (Some(part), Some(name)) if part == "*" || part == name => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_name() {
        assert!(matches("org.*.intake", "org.acme.intake") && matches("a.b", "a.b"));
        assert!(!matches("org.*.intake", "org.acme.intake.key") && !matches("org.*.intake", "org.intake"));
    }
}
