//! Why an act was not carried out.

use crate::{
    model::problem::{Code, Problem},
    store::{self, Failure},
};

/// A refusal, or a database that could not be asked.
#[derive(Debug)]
pub enum Refusal {
    /// The act breaks a rule.
    Problem(Box<Problem>),
    /// The database failed.
    Store(store::Error),
}

impl Refusal {
    /// A refusal with one reason.
    pub fn new(code: Code, detail: impl Into<String>) -> Refusal {
        Problem::new(code, detail).into()
    }

    /// A refusal because of one member of the body.
    pub fn at(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Refusal {
        Problem::at(code, pointer, message).into()
    }

    /// Nothing is there, or nothing that the actor may see.
    pub fn not_found(what: &str, id: &str) -> Refusal {
        Refusal::new(Code::NotFound, format!("there is no {what} '{}'", crate::model::id::shown(id)))
    }

    /// The reason, with a failure of the database as one.
    pub fn problem(&self) -> Problem {
        match self {
            Refusal::Problem(problem) => (**problem).clone(),
            Refusal::Store(store::Error::Unavailable(_) | store::Error::Repeat(_)) => {
                Problem::new(Code::Unavailable, "the database cannot answer now; try again in a moment")
            }
            Refusal::Store(store::Error::Conflict(_) | store::Error::Internal(_)) => {
                Problem::new(Code::Internal, "the server has failed; its log has the request id")
            }
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal::Problem(Box::new(problem))
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        Refusal::Store(error)
    }
}

impl Failure for Refusal {
    fn as_store(&self) -> Option<&store::Error> {
        match self {
            Refusal::Problem(_) => None,
            Refusal::Store(error) => Some(error),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Problem(problem) => problem.fmt(f),
            Refusal::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
