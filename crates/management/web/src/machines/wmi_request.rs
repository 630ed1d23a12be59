//! Requests for WMI of a machine.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Request for WMI of a machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WmiRequest {
    /// Lists the namespaces.
    Namespaces,
    /// Lists the classes of a namespace whose names contain a text.
    Classes { namespace: String, filter: String },
    /// Returns the definition of a class.
    Class { namespace: String, class: String },
    /// Returns the instance with a path.
    Instance { namespace: String, path: String },
    /// Returns a page of rows. Unless `keeps_rest` is true, the query ends with this page.
    Rows { namespace: String, rows: RowRequest, limit: usize, keeps_rest: bool },
    /// Calls a method of a class, or of the instance with a path.
    Invoke {
        namespace: String,
        class: String,
        method: String,
        path: Option<String>,
        arguments: Map<String, Value>,
    },
}

/// Rows of a page.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RowRequest {
    /// Rows of a WQL query.
    Query(String),
    /// Instances of a class and its subclasses.
    Instances(String),
    /// Instances that are associated with the one at a path.
    Associators(String),
    /// Associations of the instance at a path.
    References(String),
    /// Rows after those of an earlier page.
    Next(String),
}
