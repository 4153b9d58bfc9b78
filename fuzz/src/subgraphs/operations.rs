//! What is asked of each subgraph, with every argument a variable.

/// The variables that a text alone fills.
pub const TEXTS: &[&str] = &["id", "text", "after", "time", "date", "zone", "locale"];

/// Of users, posts, social, notifications.
pub const OPERATIONS: [&[&str]; 4] = [USERS, POSTS, SOCIAL, NOTIFICATIONS];

const USERS: &[&str] = &[
    "query ($id: ID!) { user(id: $id) { id username displayName birthday bio roles createdAt } }",
    "query ($text: String!) { userByUsername(username: $text) { id displayName } }",
    "query ($text: String, $after: String) { users(filter: { search: $text }, after: $after) { totalCount nodes { id } } }",
    "query ($time: DateTime) { users(filter: { createdAt: { from: $time, to: $time } }) { nodes { id } } }",
    "query ($filter: UserFilter, $sort: UserSort, $first: Int, $after: String) {
        users(filter: $filter, sort: $sort, first: $first, after: $after) { edges { cursor node { id email status } }
        pageInfo { endCursor hasNextPage } totalCount } }",
    "query ($first: Int, $after: String) { viewer { id locale timeZone scopes
        sessions(first: $first, after: $after) { edges { cursor node { id } } } } }",
    "query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename
        ... on User { id username } ... on Viewer { id email } ... on Session { id } } }",
    "mutation ($text: String!) { accountRegister(input: { username: $text, email: $text, password: $text }) {
        viewer { id } userErrors { code field message } } }",
    "mutation ($input: AccountRegisterInput!) { accountRegister(input: $input) { viewer { id } userErrors { code } } }",
    "mutation ($text: String!) { sessionCreate(input: { login: $text, password: $text }) { userErrors { code } } }",
    "mutation ($text: String!) { sessionRefresh(refreshToken: $text) { tokens { accessToken } userErrors { code } } }",
    "mutation ($input: PasswordChangeInput!) { passwordChange(input: $input) { userErrors { code field } } }",
    "mutation ($text: String) { profileUpdate(input: { displayName: $text, firstName: $text, lastName: $text, bio: $text }) {
        viewer { user { displayName bio } } userErrors { code field } } }",
    "mutation ($date: Date) { profileUpdate(input: { birthday: $date }) { viewer { user { birthday } } userErrors { code } } }",
    "mutation ($zone: TimeZone) { profileUpdate(input: { timeZone: $zone }) { viewer { timeZone } userErrors { code } } }",
    "mutation ($locale: LocaleTag) { profileUpdate(input: { locale: $locale }) { viewer { locale } userErrors { code } } }",
    "mutation ($input: ProfileUpdateInput!) { profileUpdate(input: $input) { viewer { id } userErrors { code field } } }",
    "mutation ($id: ID!, $input: UserUpdateInput!) { userUpdate(id: $id, input: $input) { userErrors { code field } } }",
];

const POSTS: &[&str] = &[
    "query ($id: ID!, $after: String) { post(id: $id) { id body status reactions { emoji count viewerHasReacted }
        revisions(after: $after) { edges { cursor node { body } } } } }",
    "query ($after: String) { posts(after: $after) { nodes { id } pageInfo { endCursor } } }",
    "query ($filter: PostFilter, $sort: PostSort, $first: Int, $after: String) {
        posts(filter: $filter, sort: $sort, first: $first, after: $after) { edges { cursor node { id body } }
        pageInfo { endCursor hasNextPage } totalCount } }",
    "query ($text: String!) { postSearch(query: $text) { totalCount
        edges { score highlights cursor node { id } } pageInfo { endCursor } } }",
    "query ($after: String) { postSearch(query: \"sea ships\", after: $after) { edges { cursor score } } }",
    "query ($query: String!, $filter: PostFilter, $first: Int, $after: String) {
        postSearch(query: $query, filter: $filter, first: $first, after: $after) { edges { cursor score highlights } } }",
    "query ($time: DateTime) { posts(filter: { createdAt: { from: $time, to: $time } }) { nodes { id createdAt } } }",
    "query ($me: ID!, $first: Int, $after: String) { _entities(representations: [{ __typename: \"Viewer\", id: $me }]) {
        ... on Viewer { id feed(first: $first, after: $after) { edges { cursor } }
        drafts(first: $first, after: $after) { edges { cursor } } } } }",
    "query ($representations: [_Any!]!, $sort: PostSort, $after: String) {
        _entities(representations: $representations) { __typename
        ... on User { posts(sort: $sort, after: $after) { edges { cursor } } } ... on Post { id body } } }",
    "mutation ($text: String!) { postCreate(input: { body: $text, idempotencyKey: $text }) {
        post { id body } userErrors { code field } } }",
    "mutation ($text: String!) { postCreate(input: { body: $text }) { post { id } userErrors { code field } } }",
    "mutation ($input: PostCreateInput!) { postCreate(input: $input) { post { id } userErrors { code field } } }",
    "mutation ($id: ID!, $input: PostUpdateInput!) { postUpdate(id: $id, input: $input) { post { id } userErrors { code } } }",
    "mutation ($time: DateTime) { postCreate(input: { body: \"later\", publishAt: $time }) {
        post { id publishAt } userErrors { code field } } }",
    "mutation ($id: ID!) { postDelete(id: $id) { deletedPostId userErrors { code } } }",
    "mutation ($id: ID!, $emoji: String!) { postReactionAdd(id: $id, emoji: $emoji) {
        post { reactions { emoji count } } userErrors { code field } } }",
    "mutation ($id: ID!, $emoji: String!) { postReactionRemove(id: $id, emoji: $emoji) { userErrors { code } } }",
    "mutation ($id: ID!, $reason: String!) { postHide(id: $id, reason: $reason) { post { id } userErrors { code } } }",
    "mutation ($id: ID!) { postUnhide(id: $id) { post { id } userErrors { code } } }",
    "subscription ($after: String) { feedEvents(after: $after) { __typename ... on StreamEvent { cursor } } }",
];

const SOCIAL: &[&str] = &[
    "query ($id: ID!) { conversation(id: $id) { id } message(id: $id) { id } }",
    "query ($me: ID!, $first: Int, $after: String, $filter: FriendshipFilter) {
        _entities(representations: [{ __typename: \"Viewer\", id: $me }]) { ... on Viewer { unreadMessageCount
        friendships(filter: $filter, first: $first, after: $after) { edges { cursor node { id } } }
        conversations(first: $first, after: $after) { edges { cursor node { id } } }
        blockedUsers(first: $first, after: $after) { edges { cursor } } } } }",
    "query ($id: ID!, $first: Int, $after: String) { _entities(representations: [{ __typename: \"User\", id: $id }]) {
        ... on User { id friends(first: $first, after: $after) { edges { cursor } }
        followers(first: $first, after: $after) { edges { cursor } }
        following(first: $first, after: $after) { edges { cursor } }
        viewerRelationship { isFriend friendship { id } } presence { __typename } } } }",
    "query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }",
    "mutation ($id: ID!) { friendshipRequest(userId: $id) { friendship { id } userErrors { code } } }",
    "mutation ($id: ID!) { friendshipAccept(id: $id) { friendship { id } userErrors { code } } }",
    "mutation ($id: ID!) { friendshipDecline(id: $id) { userErrors { code } } }",
    "mutation ($id: ID!) { friendshipCancel(id: $id) { userErrors { code } } }",
    "mutation ($id: ID!) { friendshipDelete(userId: $id) { userErrors { code } } }",
    "mutation ($id: ID!) { followCreate(userId: $id) { userErrors { code } } }",
    "mutation ($id: ID!) { followDelete(userId: $id) { userErrors { code } } }",
    "mutation ($id: ID!) { blockCreate(userId: $id) { userErrors { code } } }",
    "mutation ($id: ID!) { blockDelete(userId: $id) { userErrors { code } } }",
    "mutation ($input: ConversationCreateInput!) { conversationCreate(input: $input) {
        conversation { id } userErrors { code field } } }",
    "mutation ($id: ID!, $message: ID!) { conversationMarkRead(id: $id, upToMessageId: $message) { userErrors { code } } }",
    "mutation ($id: ID!, $time: DateTime) { conversationMute(id: $id, until: $time) { userErrors { code } } }",
    "mutation ($id: ID!) { conversationTypingSet(id: $id, isTyping: true) { userErrors { code } } }",
    "mutation ($input: MessageSendInput!) { messageSend(input: $input) { message { id } userErrors { code field } } }",
    "mutation ($id: ID!, $text: String!) { messageUpdate(id: $id, body: $text) { message { id } userErrors { code } } }",
    "mutation ($id: ID!) { messageDelete(id: $id) { userErrors { code } } }",
    "subscription ($id: ID, $after: String) { conversationEvents(conversationId: $id, after: $after) {
        __typename ... on StreamEvent { cursor } } }",
    "subscription ($id: ID!) { typingEvents(conversationId: $id) { __typename } }",
    "subscription ($ids: [ID!]!) { presenceEvents(userIds: $ids) { __typename } }",
];

const NOTIFICATIONS: &[&str] = &[
    "query ($id: ID!) { notification(id: $id) { id title body count } }",
    "query ($me: ID!, $filter: NotificationFilter, $first: Int, $after: String) {
        _entities(representations: [{ __typename: \"Viewer\", id: $me }]) { ... on Viewer { unreadNotificationCount
        notifications(filter: $filter, first: $first, after: $after) { edges { cursor node { id } } } } } }",
    "query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }",
    "mutation ($id: ID!, $input: NotificationUpdateInput!) { notificationUpdate(id: $id, input: $input) {
        notification { id readAt } userErrors { code } } }",
    "mutation ($time: DateTime, $kind: [NotificationKind!]) { notificationsMarkAllRead(before: $time, kind: $kind) {
        updatedCount userErrors { code } } }",
    "mutation ($id: ID!) { notificationDelete(id: $id) { deletedNotificationId userErrors { code } } }",
    "subscription ($after: String) { notificationEvents(after: $after) { __typename ... on StreamEvent { cursor } } }",
];
