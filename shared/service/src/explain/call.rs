//! The request that a token is meant for, and the rules that decide about its route.

use hallpass_runtime::settings::Routes;

/// The method and the path of a request, as a client sends them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    method: String,
    path: String,
}

/// The method or the path of a [`Call`] is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCall {
    /// The method is missing, or not 1 to 16 upper-case letters.
    #[error("method: {}", self.wrong())]
    Method,
    /// The path is missing, too long, or has other characters than a URL.
    #[error("path: {}", self.wrong())]
    Path,
}

/// The route rules, as far as they are known where a token is explained.
#[derive(Clone, Copy, Debug)]
pub enum Rules<'a> {
    /// They are a setting of the authorizer that is not known here.
    Unknown,
    /// The authorizer has none, and permits every route.
    Absent,
    /// The rules of the authorizer.
    Known(&'a Routes),
}

impl Call {
    /// The maximum length of a path, in bytes. API Gateway accepts no longer request line and
    /// headers than 10,240 bytes.
    pub const MAX_PATH: usize = 8_192;

    const MAX_METHOD: usize = 16;

    /// Parses the method and the path, which are given together or not at all.
    ///
    /// # Errors
    /// Returns a [`BadCall`] that names the one that is missing or invalid.
    pub fn parse(method: Option<&str>, path: Option<&str>) -> Result<Option<Self>, BadCall> {
        let (method, path) = match (method, path) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(BadCall::Method),
            (Some(_), None) => return Err(BadCall::Path),
            (Some(method), Some(path)) => (method, path),
        };
        let is_method = (1..=Self::MAX_METHOD).contains(&method.len())
            && method.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_method {
            return Err(BadCall::Method);
        }
        let is_path = path.starts_with('/')
            && path.len() <= Self::MAX_PATH
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#');
        if !is_path {
            return Err(BadCall::Path);
        }
        Ok(Some(Self { method: method.to_owned(), path: path.to_owned() }))
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl BadCall {
    /// The name of the member.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Path => "path",
        }
    }

    /// What is right.
    pub const fn wrong(self) -> &'static str {
        match self {
            Self::Method => "it must be the method of a request, such as GET, and needs path",
            Self::Path => {
                "it must be the path of a request, such as /reports/1, without the stage and the \
                 query, and needs method"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_a_method_and_a_path_or_neither() {
        let check = |method: Option<&str>, path: Option<&str>, expected: Result<bool, BadCall>| {
            let parsed = Call::parse(method, path).map(|call| call.is_some());
            assert_eq!(parsed, expected, "{method:?} {path:?}");
        };
        check(None, None, Ok(false));
        check(Some("GET"), Some("/"), Ok(true));
        check(Some("GET"), Some("/a%2Fb/~!&'()+,;=:@*"), Ok(true));
        check(Some("GET"), None, Err(BadCall::Path));
        check(None, Some("/"), Err(BadCall::Method));
        for method in ["", "get", "GET ", "G-T", "*", "ABCDEFGHIJKLMNOPQ", "GÉT"] {
            check(Some(method), Some("/"), Err(BadCall::Method));
        }
        let long = |length: usize| format!("/{}", "a".repeat(length.saturating_sub(1)));
        check(Some("GET"), Some(&long(Call::MAX_PATH)), Ok(true));
        check(Some("GET"), Some(&long(Call::MAX_PATH + 1)), Err(BadCall::Path));
        for path in ["", "a", "/a?b", "/a#b", "/a b", "/é", "/a\n", "https://example.com/"] {
            check(Some("GET"), Some(path), Err(BadCall::Path));
        }
    }
}
