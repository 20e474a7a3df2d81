#!/usr/bin/env bash
# Judges a pull request by the code of its target branch: judge.yml runs this, and nothing of the pull request's.
#
#   scripts/judge.sh diff BEFORE AFTER   writes comment.md and prints verdict=same or verdict=wider
#   scripts/judge.sh verdict VERDICT     sets the commit's status "Wider access", and writes the comment
#
# Wider access is accepted by the label `wider-access` and an approval of this very commit, by somebody who may write to the
# repository and wrote nothing of the pull request. An approval names its commit, a label does not: a commit that is pushed after the label
# has no approval. Variables of the second form: GH_REPO, BASE, HEAD (owner:branch), SHA and RUN.
set -euo pipefail

# The first reviewer who accepts this commit's wider access. 1: nobody does; 2: not all authors can be known; 3: GitHub did
# not answer, so nobody knows.
accepted_by() {
  local number=$1 commits author labels authors reviews reviewer permission unknown=1
  read -r commits author < <(gh api "repos/$GH_REPO/pulls/$number" -q '"\(.commits) \(.user.login)"') || return 3
  # GitHub lists no more of a pull request's commits: https://docs.github.com/rest/pulls/pulls#list-commits-on-a-pull-request
  [[ $commits =~ ^[0-9]+$ ]] || return 3
  ((commits <= 250)) || return 2
  labels=$(gh api --paginate "repos/$GH_REPO/issues/$number/labels" -q '.[].name') || return 3
  grep -qx wider-access <<<"$labels" || return 1
  # Whoever opened it, and whoever's account GitHub knows as that of an author of its commits.
  authors=$(gh api --paginate "repos/$GH_REPO/pulls/$number/commits" \
    -q '.[] | .author.login // empty, .committer.login // empty') || return 3
  # The last word of each reviewer counts.
  reviews=$(gh api --paginate "repos/$GH_REPO/pulls/$number/reviews" \
    -q '.[] | select(.state == "APPROVED" or .state == "CHANGES_REQUESTED" or .state == "DISMISSED") | [.user.login, .state, .commit_id] | @tsv') || return 3
  while read -r reviewer; do
    ! grep -qixF -- "$reviewer" <<<"$author"$'\n'"$authors" || continue
    # 404: a bot, or an account that is gone: it may not write. Any other failure says nothing about it.
    permission=$(gh api "repos/$GH_REPO/collaborators/$reviewer/permission" -q .permission 2>&1) ||
      [[ $permission == *"(HTTP 404)"* ]] || unknown=3
    case $permission in
      admin | write) echo "$reviewer" && return ;;
    esac
  done < <(awk -F '\t' -v sha="$SHA" '{ last[$1] = $2 " " $3 } END { for (who in last) if (who != "" && last[who] == "APPROVED " sha) print who }' <<<"$reviews" | sort)
  return "$unknown"
}

case ${1-} in
  diff)
    code=0
    nova diff "$2" "$3" --markdown comment.md >&2 || code=$?
    case $code in
      0) echo verdict=same ;;
      1) echo verdict=wider ;;
      *) exit "$code" ;;
    esac
    ;;
  verdict)
    number=$(gh api --method GET "repos/$GH_REPO/pulls" -f state=open -f base="$BASE" -f head="$HEAD" \
      -q "map(select(.head.sha == env.SHA)) | .[0].number // empty")
    if [ -z "$number" ]; then # closed, or not its last commit any more
      echo "no open pull request has $SHA as its last commit"
      exit 0
    fi
    state=failure
    case $2 in
      same) state=success said="Neither access nor the network becomes wider" ;;
      wider)
        said="Becomes wider: needs the label wider-access and an approval of this commit"
        answer=0
        reviewer=$(accepted_by "$number") || answer=$?
        case $answer in
          0) state=success said="Becomes wider, which $reviewer has accepted for this commit" ;;
          2) said="Becomes wider in more than 250 commits, of which GitHub does not name all authors: squash or split them" ;;
          3) state=error said="Becomes wider, and GitHub did not say who has accepted it: run the job Verdict again" ;;
        esac
        ;;
      *) said="Not judged: the change does not synthesize, or is no assembly" ;;
    esac
    gh api --silent "repos/$GH_REPO/statuses/$SHA" -f state="$state" -f context="Wider access" \
      -f description="${said:0:140}" -f target_url="$RUN"
    if [ -f comment.md ]; then
      gh pr comment "$number" --body-file comment.md --edit-last --create-if-none
    fi
    ;;
  *)
    echo "usage: scripts/judge.sh diff BEFORE AFTER | verdict VERDICT" >&2
    exit 2
    ;;
esac
