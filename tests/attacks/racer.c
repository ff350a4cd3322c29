// SPDX-License-Identifier: MIT
// Races over who a caller is: processes that change, between dialling and being looked at, whatever
// a rule may go by. Each race asks for a token that it must get, must not get, or may get. Run as
// root; see usage().
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ALLOWED_UID = 20001, OTHER_UID = 20002, ALLOWED_GID = 20101, OTHER_GID = 20102 };
enum answer { TOKEN, REFUSED, FAILED, ANSWERS };
enum right { MUST, MUST_NOT, MAY, RIGHTS };

static const char *directory;
static const char *allowed_cgroup;
static const char *other_cgroup;
static int observed; // whether the observer sees who dials
static int port;
static uint64_t state;

static unsigned pick(unsigned most)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 11) % most;
}

static void wait_a_moment(void)
{
	if (pick(2))
		usleep(pick(400));
}

// A race that cannot be set up counts as failed, not as refused.
static void need(int is_done)
{
	if (!is_done)
		_exit(FAILED);
}

static void become(uid_t uid, gid_t gid)
{
	need(setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	     setresuid(uid, uid, uid) == 0);
}

static int make_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval patience = {.tv_sec = 20};

	need(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	return fd;
}

static int try_to_dial(int fd, int to)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(to)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static void dial(int fd)
{
	need(try_to_dial(fd, port) == 0);
}

static void dissolve(int fd)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	need(connect(fd, &nobody, sizeof(nobody)) == 0);
}

static void ask(int fd, const char *rule)
{
	char text[256];
	int size = snprintf(text, sizeof(text),
			    "GET /oauth2/token?resource=https://%s/ HTTP/1.1\r\nHost: localhost\r\n"
			    "Metadata: true\r\nConnection: close\r\n\r\n",
			    rule);

	(void)!send(fd, text, size, MSG_NOSIGNAL);
}

static enum answer hear(int fd)
{
	char text[13] = "";

	if (recv(fd, text, 12, MSG_WAITALL) != 12)
		return FAILED;
	return !strcmp(text, "HTTP/1.1 200")   ? TOKEN
	       : !strcmp(text, "HTTP/1.1 403") ? REFUSED
					       : FAILED;
}

static enum answer ask_and_hear(int fd, const char *rule)
{
	ask(fd, rule);
	return hear(fd);
}

static void become_program(const char *name, const char *what, const char *with)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	execl(path, name, what, with, directory, (char *)NULL);
	_exit(FAILED);
}

static void hear_as_program(const char *name, const char *what, int fd)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", fd);
	become_program(name, what, text);
}

static void enter(const char *cgroup)
{
	int fd = open(cgroup, O_WRONLY | O_CLOEXEC);

	need(fd >= 0 && write(fd, "0", 1) == 1);
	close(fd);
}

static enum answer answer_of(pid_t pid)
{
	int status = 0;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		       WEXITSTATUS(status) < ANSWERS
		   ? (enum answer)WEXITSTATUS(status)
		   : FAILED;
}

// Each race runs in a process of its own, as root. It says what must come of it before anything
// else.
static enum right *must;

static void by_user(void)
{
	int is_allowed = pick(2);

	*must = is_allowed ? MUST : MUST_NOT;
	become(is_allowed ? ALLOWED_UID : OTHER_UID, OTHER_GID);
	int fd = make_socket();
	dial(fd);
	_exit(ask_and_hear(fd, "uid"));
}

static void by_group(void)
{
	int which = pick(3);
	gid_t groups[] = {OTHER_GID + 1, ALLOWED_GID};

	*must = which < 2 ? MUST : MUST_NOT;
	need(setgroups(which == 1 ? 2 : 0, groups) == 0);
	gid_t gid = which == 0 ? ALLOWED_GID : OTHER_GID;
	need(setresgid(gid, gid, gid) == 0 && setresuid(OTHER_UID, OTHER_UID, OTHER_UID) == 0);
	int fd = make_socket();
	dial(fd);
	_exit(ask_and_hear(fd, "gid"));
}

static void by_program(void)
{
	int is_allowed = pick(2);

	*must = is_allowed ? MUST : MUST_NOT;
	become(OTHER_UID, OTHER_GID);
	become_program(is_allowed ? "allowed" : "other", "dial", "program");
}

static void by_cgroup(void)
{
	int is_allowed = pick(2);

	*must = is_allowed ? MUST : MUST_NOT;
	enter(is_allowed ? allowed_cgroup : other_cgroup);
	become(OTHER_UID, OTHER_GID);
	int fd = make_socket();
	dial(fd);
	_exit(ask_and_hear(fd, "unit"));
}

// The program acts as another user or group when it dials, which is its owner's will.
static void setid_program_dials(void)
{
	int by_gid = pick(2);

	*must = MAY;
	become(OTHER_UID, OTHER_GID);
	become_program(by_gid ? "setgid" : "setuid", "dial", by_gid ? "gid" : "uid");
}

static void becomes_program_after_dialling(void)
{
	*must = observed ? MUST_NOT
			 : MAY; // without the observer it is the program that holds the socket
	become(OTHER_UID, OTHER_GID);
	int fd = make_socket();
	dial(fd);
	ask(fd, "program");
	wait_a_moment();
	hear_as_program("allowed", pick(2) ? "hear" : "flip", fd);
}

static void becomes_setgid_after_dialling(void)
{
	*must = MUST_NOT;
	become(OTHER_UID, OTHER_GID);
	int fd = make_socket();
	dial(fd);
	ask(fd, "gid");
	wait_a_moment();
	hear_as_program("setgid", "hear", fd);
}

static void becomes_setuid_after_dialling(void)
{
	*must = MUST_NOT;
	become(OTHER_UID, OTHER_GID);
	int fd = make_socket();
	dial(fd);
	ask(fd, "uid");
	wait_a_moment();
	hear_as_program("setuid", "hear", fd);
}

// Made and perhaps once connected by who is allowed, and connected by another one.
static void connects_what_another_made(void)
{
	int is_root = pick(2);
	int before = pick(3);

	*must = MUST_NOT;
	if (!is_root)
		need(seteuid(ALLOWED_UID) == 0);
	int fd = make_socket();
	if (before == 1)
		dial(fd);
	if (before == 2)
		need(try_to_dial(fd, 1) != 0);
	need(seteuid(0) == 0);
	wait_a_moment();
	become(OTHER_UID, OTHER_GID);
	if (before == 1)
		dissolve(fd);
	dial(fd);
	_exit(ask_and_hear(fd, is_root ? "root" : "uid"));
}

static void pass(int to, int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(fd))] = {0};
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	need(sendmsg(to, &message, 0) == 1);
}

static int take(int from)
{
	char byte, room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	int fd = -1;

	need(recvmsg(from, &message, 0) == 1 && CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

// The caller is who dialled, whoever has the connection afterwards.
static void passes_a_connection(void)
{
	int dialler_is_allowed = pick(2), leaves = pick(2), ends[2];

	*must = !dialler_is_allowed ? MUST_NOT : observed ? MUST : MAY;
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	pid_t dialler = fork();
	if (dialler == 0) {
		become(dialler_is_allowed ? ALLOWED_UID : OTHER_UID, OTHER_GID);
		int fd = make_socket();
		dial(fd);
		pass(ends[0], fd);
		if (!leaves)
			pause();
		_exit(0);
	}
	become(dialler_is_allowed ? OTHER_UID : ALLOWED_UID, OTHER_GID);
	close(ends[0]);
	int fd = take(ends[1]);
	wait_a_moment();
	enum answer heard = ask_and_hear(fd, "uid");
	close(fd);
	_exit(heard);
}

// It passes on a socket that was never its own to connect, or connects it once more while the other
// one does.
static void connects_while_another_does(void)
{
	int fd = make_socket();
	*must = MUST_NOT;
	pid_t root = fork();
	if (root == 0) {
		for (int i = 0; i < 20; ++i) {
			(void)try_to_dial(fd, port);
			struct sockaddr nobody = {.sa_family = AF_UNSPEC};
			(void)connect(fd, &nobody, sizeof(nobody));
		}
		_exit(0);
	}
	// Who connected it last cannot be told from here: only another user's socket is asked with
	// in the end.
	waitpid(root, NULL, 0);
	become(OTHER_UID, OTHER_GID);
	dial(fd);
	_exit(ask_and_hear(fd, "root"));
}

struct thread_race {
	uid_t uid;
	gid_t gid;
	int fd; // -1: to be made by the thread
	const char *rule;
	enum answer heard;
};

static void *dial_as_another(void *given)
{
	struct thread_race *race = given;

	// The system calls alone change one thread; those of the C library change all.
	need(syscall(SYS_setresgid, race->gid, race->gid, race->gid) == 0 &&
	     syscall(SYS_setresuid, race->uid, race->uid, race->uid) == 0);
	int fd = race->fd >= 0 ? race->fd : make_socket();
	dial(fd);
	race->heard = ask_and_hear(fd, race->rule);
	return NULL;
}

static void threads_are_different_users(void)
{
	int which = pick(4);
	struct thread_race race = {.uid = OTHER_UID, .gid = OTHER_GID, .fd = -1, .rule = "uid"};
	pthread_t thread;

	need(setgroups(0, NULL) == 0);
	*must = MUST_NOT;
	if (which == 1)
		race.rule = "gid";
	if (which == 2) {
		need(syscall(SYS_setresuid, -1, ALLOWED_UID, -1) == 0);
		race.fd = make_socket();
		need(syscall(SYS_setresuid, -1, 0, -1) == 0);
		*must = observed ? MUST_NOT : MAY; // who shares all memory is one caller
	}
	if (which == 3) {
		race.uid = ALLOWED_UID;
		*must = observed ? MUST : MAY;
	}
	need(pthread_create(&thread, NULL, dial_as_another, &race) == 0);
	need(syscall(SYS_setresgid, ALLOWED_GID, ALLOWED_GID, ALLOWED_GID) == 0);
	uid_t leader = which == 3 ? OTHER_UID : ALLOWED_UID;
	need(syscall(SYS_setresuid, leader, leader, leader) == 0);
	pthread_join(thread, NULL);
	_exit(race.heard);
}

// Its number goes to a process of the allowed program.
static void leaves_its_number_to_another(void)
{
	int ends[2];

	*must = observed ? MUST_NOT
			 : MAY; // without the observer the one who holds the socket is the caller
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	pid_t dialler = fork();
	if (dialler == 0) {
		become(OTHER_UID, OTHER_GID);
		int fd = make_socket();
		dial(fd);
		pass(ends[0], fd);
		_exit(0);
	}
	int fd = take(ends[1]);
	waitpid(dialler, NULL, 0);
	int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	pid_t other = -1;
	for (int i = 0; i < 5 && other != dialler; ++i) {
		char text[16];
		(void)!pwrite(last, text, snprintf(text, sizeof(text), "%d", dialler - 1), 0);
		other = fork();
		if (other == 0) {
			if (getpid() != dialler)
				_exit(REFUSED);
			become(OTHER_UID, OTHER_GID);
			ask(fd, "program");
			hear_as_program("allowed", "hear", fd);
		}
		if (other != dialler)
			waitpid(other, NULL, 0);
	}
	_exit(other == dialler ? answer_of(other) : REFUSED);
}

static void binds_over_the_program(void)
{
	char other[256], allowed[256];

	*must = MUST_NOT;
	snprintf(other, sizeof(other), "%s/other", directory);
	snprintf(allowed, sizeof(allowed), "%s/allowed", directory);
	need(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	     mount(other, allowed, NULL, MS_BIND, NULL) == 0);
	become(OTHER_UID, OTHER_GID);
	become_program("allowed", "dial", "program");
}

// The socket is made in one cgroup and connected in another, or the process moves once it has
// dialled.
static void changes_its_cgroup(void)
{
	int before_dialling = pick(2);

	*must = MUST_NOT;
	enter(before_dialling ? allowed_cgroup : other_cgroup);
	int fd = make_socket();
	if (before_dialling)
		enter(other_cgroup);
	dial(fd);
	if (!before_dialling) {
		ask(fd, "unit");
		enter(allowed_cgroup);
		_exit(hear(fd));
	}
	_exit(ask_and_hear(fd, "unit"));
}

static const struct kind {
	const char *name;
	void (*run)(void);
	unsigned share;
} kinds[] = {
    {"a user", by_user, 10},
    {"a group", by_group, 10},
    {"a program", by_program, 10},
    {"a cgroup", by_cgroup, 10},
    {"setuid and setgid programs that dial", setid_program_dials, 5},
    {"another program after dialling", becomes_program_after_dialling, 15},
    {"a setgid program after dialling", becomes_setgid_after_dialling, 15},
    {"a setuid program after dialling", becomes_setuid_after_dialling, 15},
    {"connecting what another user made", connects_what_another_made, 15},
    {"connecting after another user, again and again", connects_while_another_does, 2},
    {"passing a connection on", passes_a_connection, 10},
    {"threads of different users", threads_are_different_users, 10},
    {"a number that comes round again", leaves_its_number_to_another, 2},
    {"a bind mount over the program", binds_over_the_program, 5},
    {"another cgroup", changes_its_cgroup, 10},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

// Counted by all workers.
struct counts {
	unsigned long of[KINDS][RIGHTS][ANSWERS];
};

static const char *only; // this kind of race, where one is named

static unsigned pick_kind(void)
{
	unsigned shares = 0;

	for (unsigned i = 0; only && i < KINDS; ++i)
		if (!strcmp(only, kinds[i].name))
			return i;

	for (unsigned i = 0; i < KINDS; ++i)
		shares += kinds[i].share;
	unsigned chosen = pick(shares), i = 0;
	while (chosen >= kinds[i].share)
		chosen -= kinds[i++].share;
	return i;
}

static void race_once(struct counts *counts, unsigned kind)
{
	uint64_t seed = state;

	*must = MAY;
	pid_t pid = fork();
	if (pid == 0) {
		// Its own children end with it.
		(void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
		setpgid(0, 0);
		kinds[kind].run();
		_exit(FAILED);
	}
	enum answer answer = answer_of(pid);
	kill(-pid, SIGKILL); // who stayed behind
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
	__sync_fetch_and_add(&counts->of[kind][*must][answer], 1);
	if ((*must == MUST_NOT && answer == TOKEN) || (*must == MUST && answer == REFUSED))
		fprintf(stderr, "%s: %s, state %llu\n", kinds[kind].name,
			answer == TOKEN ? "a token that it must not get"
					: "no token, though it must get one",
			(unsigned long long)seed);
	pick(2);
}

static void report(const struct counts *counts)
{
	for (unsigned kind = 0; kind < KINDS; ++kind) {
		printf("%s", kinds[kind].name);
		for (unsigned right = 0; right < RIGHTS; ++right)
			for (unsigned answer = 0; answer < ANSWERS; ++answer)
				printf("\t%lu", counts->of[kind][right][answer]);
		printf("\n");
	}
}

static int usage(void)
{
	fprintf(stderr, "racer PORT SEED RACES SECONDS WORKERS DIRECTORY ALLOWED-CGROUP.PROCS "
			"OTHER-CGROUP.PROCS OBSERVED [KIND]\n"
			"prints, in lines: KIND, and how often it got a token, was refused, "
			"failed: of those that must get one,\n"
			"must not, and may\n");
	return 2;
}

int main(int argc, char **argv)
{
	port = 50342;
	if (argc == 4 && !strcmp(argv[1], "dial")) {
		int fd = make_socket();
		dial(fd);
		return ask_and_hear(fd, argv[2]);
	}
	if (argc == 4 && !strcmp(argv[1], "hear"))
		return hear(atoi(argv[2]));
	if (argc == 4 && !strcmp(argv[1], "flip")) { // becomes another program, and this one again
		directory = argv[3];
		hear_as_program(strstr(argv[0], "allowed") ? "other" : "allowed",
				strstr(argv[0], "allowed") ? "flip" : "hear", atoi(argv[2]));
	}
	if (argc != 10 && argc != 11)
		return usage();
	port = atoi(argv[1]);
	directory = argv[6];
	allowed_cgroup = argv[7];
	other_cgroup = argv[8];
	observed = atoi(argv[9]);
	only = argv[10]; // or the NULL behind the last
	int workers = atoi(argv[5]);
	time_t end = time(NULL) + atoi(argv[4]);
	struct counts *counts = mmap(NULL, sizeof(*counts) + workers * sizeof(*must),
				     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return 1;
	for (int worker = 0; worker < workers; ++worker) {
		if (fork() != 0)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
		must = (enum right *)(counts + 1) + worker;
		state = (strtoull(argv[2], NULL, 10) + worker) * 0x9E3779B97F4A7C15ULL | 1;
		// Each kind once, however slow the machine is.
		for (unsigned kind = worker; !only && kind < KINDS; kind += workers)
			race_once(counts, kind);
		for (int i = 0; i < atoi(argv[3]) / workers && time(NULL) < end; ++i)
			race_once(counts, pick_kind());
		_exit(0);
	}
	while (wait(NULL) > 0) {
	}
	report(counts);
	return 0;
}
