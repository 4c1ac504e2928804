//! What is read back from Workday of a protected candidate, so that whoever guards the interview
//! knows whom they expect.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who is protected and what they are interviewed for, as far as Workday says it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Details {
    /// The candidate's first name.
    #[cfg_attr(feature = "server", schema(required))]
    pub first_name: Option<String>,
    /// The candidate's last name.
    #[cfg_attr(feature = "server", schema(required))]
    pub last_name: Option<String>,
    /// The candidate's e-mail address.
    #[cfg_attr(feature = "server", schema(required))]
    pub email: Option<String>,
    /// The job profile of the requisition: its name, or its ID where Workday gives no name.
    #[cfg_attr(feature = "server", schema(required))]
    pub job_profile: Option<String>,
    /// The title under which the requisition is posted.
    #[cfg_attr(feature = "server", schema(required))]
    pub requisition_title: Option<String>,
}

/// Says nothing of the candidate: what is printed for a developer ends in logs.
impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Details(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_candidate_is_in_the_debug_text() {
        let details = Details { last_name: Some("Lovelace-Test".into()), ..Details::default() };
        assert_eq!(format!("{details:?}"), "Details(..)");
    }
}
