-- More of nasty.sql, for MariaDB and MySQL: other character sets, and partitions of partitions. Bytes of gbk and big5 that are
-- back-slashes by themselves are the second halves of characters here.
CREATE TABLE `{rm}`.`charsets` (`id` INT PRIMARY KEY, `l` VARCHAR(20) CHARACTER SET latin1, `g` VARCHAR(20) CHARACTER SET gbk, `b` VARCHAR(20) CHARACTER SET big5, `u` VARCHAR(20) CHARACTER SET utf16, `m` VARCHAR(20) CHARACTER SET utf8mb3, `x` VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci);
INSERT INTO `{rm}`.`charsets` VALUES (1, 'é\\', '誠\\''', '功許', '😀', 'ß', 'ſ'), (2, x'80', x'815C', x'A55C', x'D83DDE00', 'a', 'A');
CREATE TABLE `{rm}`.`subparts` (`a` INT, `b` INT) PARTITION BY RANGE (`a`) SUBPARTITION BY HASH (`b`) SUBPARTITIONS 2 (PARTITION `p0` VALUES LESS THAN (10) COMMENT = 'a ; ` '' */', PARTITION `p1` VALUES LESS THAN MAXVALUE);
INSERT INTO `{rm}`.`subparts` VALUES (1, 1), (99, 2);
