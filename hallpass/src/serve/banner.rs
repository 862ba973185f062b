//! What `hallpass dev` prints: where the stack is, who can log in, and commands that work as they
//! are printed.

use std::{
    io::{self, Write},
    path::Path,
};

use hallpass_dev::{Dev, application::Application, ca, demo::DemoUser};

/// The name of the program, if the operating system does not tell it.
const PROGRAM: &str = "hallpass";

/// Prints all of it. The last line is `ready` and the URL.
pub(super) fn print(
    dev: &Dev,
    data: &Path,
    application: Option<&Application>,
    users: &[DemoUser],
) -> io::Result<()> {
    let program = std::env::args_os().next().map(|name| name.to_string_lossy().into_owned());
    let hallpass = format!(
        "{} --data {}",
        quoted(program.as_deref().filter(|name| !name.is_empty()).unwrap_or(PROGRAM)),
        quoted(&data.display().to_string())
    );
    let curl = format!("curl --cacert {}", quoted(&data.join(ca::CA).display().to_string()));
    let url = &dev.url;
    let mut out = io::stdout().lock();
    writeln!(out, "Hallpass is running. Its pages are at {url}/profile/developer/\n")?;
    if !users.is_empty() {
        writeln!(out, "  {:<12}  {:<10}  PERMISSIONS", "USER", "PASSWORD")?;
        for DemoUser { username, password, permissions } in users {
            let (password, permissions) = (password.unwrap_or("none"), permissions.join(", "));
            writeln!(out, "  {username:<12}  {password:<10}  {permissions}")?;
        }
        writeln!(out)?;
    }
    let with_password = users.iter().find_map(|user| Some((user.username, user.password?)));
    if let Some((name, password)) = with_password {
        writeln!(out, "Exchange a password for a token, or issue one in a second terminal:\n")?;
        let login = format!("{name}:{password}");
        writeln!(out, "  {curl} -X POST -u {login} {url}/api/services_token/generate")?;
        writeln!(out, "  TOKEN=$({hallpass} token issue {name})\n")?;
        writeln!(out, "Use the token as a Bearer token or as the Basic user name:\n")?;
        writeln!(out, "  {curl} -H \"Authorization: Bearer $TOKEN\" {url}/rs/profile")?;
        writeln!(out, "  {curl} -u \"$TOKEN:\" {url}/rs/profile\n")?;
        protected(&mut out, dev, application, &curl)?;
        writeln!(out, "Block the user, which ends the token, and unblock the user:\n")?;
        writeln!(out, "  {hallpass} user block {name}")?;
        writeln!(out, "  {hallpass} user unblock {name}\n")?;
    } else {
        writeln!(
            out,
            "Add a user in a second terminal, then exchange the password for a token:\n"
        )?;
        writeln!(out, "  {hallpass} user add NAME")?;
        writeln!(out, "  {curl} -X POST -u NAME {url}/api/services_token/generate\n")?;
        protected(&mut out, dev, application, &curl)?;
    }
    writeln!(out, "ready {url}")?;
    out.flush()
}

/// Prints where the application's own API is, if the stack protects one.
fn protected(
    out: &mut impl Write,
    dev: &Dev,
    application: Option<&Application>,
    curl: &str,
) -> io::Result<()> {
    let (Some(application), Some(url)) = (application, &dev.application_url) else { return Ok(()) };
    writeln!(out, "Your API {} is behind the authorizer at {url}:\n", application.upstream)?;
    writeln!(out, "  {curl} -H \"Authorization: Bearer $TOKEN\" {url}/\n")?;
    match &application.routes {
        Some(routes) => writeln!(out, "Its rules, for the parameter Routes:\n\n  {routes}\n"),
        None => Ok(()),
    }
}

/// Returns a word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_if_a_shell_would_change_it() {
        let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected);
        check("target/debug/hallpass", "target/debug/hallpass");
        check(".hallpass", ".hallpass");
        check("my data", "'my data'");
        check("it's", r"'it'\''s'");
        check("$HOME", "'$HOME'");
        check("", "''");
    }
}
