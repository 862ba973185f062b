//! The pages of the template, which are for people and not part of the documented API.

use hallpass::dev::template::Route;

/// Method and path of every page, form and file for browsers.
pub const PAGES: [(&str, &str); 12] = [
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
    ("GET", "/profile/developer"),
    ("POST", "/profile/developer/tokens/{id}"),
    ("GET", "/admin/users"),
    ("GET", "/admin/users/{user_id}"),
    ("POST", "/admin/users/{user_id}"),
    ("POST", "/admin/users/{user_id}/access"),
    ("POST", "/admin/users/{user_id}/tokens/{id}"),
    ("GET", "/assets/{file}"),
    ("GET", "/docs/swagger-ui/{file}"),
];

/// Whether a route is one of them.
pub fn is_page(route: &Route) -> bool {
    PAGES.contains(&(route.method.as_str(), route.path.as_str()))
}
