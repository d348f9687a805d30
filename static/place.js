/**
 * Where a page is: "/t/<token>/live/foo/publish" is the path "live/foo" behind a viewing token.
 *
 * `access` is to be put before what the page asks for below the server's root, `folder` is where
 * the path's own files are, `path` its name for people.
 */
export function readPlace(pathname, page = "") {
  const access = pathname.match(/^\/t\/[^/]+(?=\/)/)?.[0] ?? "";
  const end = page ? new RegExp(`/${page}/?$`) : /\/*$/;
  const folder = pathname.replace(end, "/");
  const path = decodeURIComponent(folder.slice(access.length)).replace(/^\/+|\/+$/g, "");
  return { access, folder, path };
}
