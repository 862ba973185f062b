//! placeholder
use tests::World;
#[tokio::test]
async fn a_password_becomes_a_token_and_the_token_is_let_in() {
    let world = World::new().await;
    let token = world.token().await;
    assert_eq!(world.verdict(&format!("Bearer {token}")).await, "allow");
}
