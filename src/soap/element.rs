//! The elements of a `Job_Application` that are read, by name and by what they may hold.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    JobApplicationId,
    JobApplicationReference,
    CandidateReference,
    RequisitionReference,
    JobRequisitionReference,
    Stage,
    StageReference,
    Step,
    WorkflowStepReference,
    CurrentStatus,
    Status,
    DispositionReference,
    EventType,
    EventTimestamp,
    StatusTimestamp,
}

/// One table for names and numbers, in which the compiler turns looking a name up into comparisons of
/// constants.
macro_rules! elements {
    ($($element:ident = $name:literal),+ $(,)?) => {
        impl Element {
            pub(super) fn named(local: &str) -> Option<Self> {
                match local {
                    $($name => Some(Self::$element),)+
                    _ => None,
                }
            }

            /// The local name.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$element => $name),+
                }
            }
        }
    };
}

elements! {
    JobApplicationId = "Job_Application_ID",
    JobApplicationReference = "Job_Application_Reference",
    CandidateReference = "Candidate_Reference",
    RequisitionReference = "Requisition_Reference",
    JobRequisitionReference = "Job_Requisition_Reference",
    Stage = "Stage",
    StageReference = "Stage_Reference",
    Step = "Step",
    WorkflowStepReference = "Workflow_Step_Reference",
    CurrentStatus = "Current_Status",
    Status = "Status",
    DispositionReference = "Disposition_Reference",
    EventType = "Event_Type",
    EventTimestamp = "Event_Timestamp",
    StatusTimestamp = "Status_Timestamp",
}

impl Element {
    /// Whether it may hold `ID`s.
    pub(super) fn is_reference(self) -> bool {
        !matches!(self, Self::JobApplicationId | Self::EventType | Self::EventTimestamp | Self::StatusTimestamp)
    }

    /// Whether its own text is its value.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Stage | Self::Step | Self::CurrentStatus | Self::Status) || !self.is_reference()
    }
}
